"""The models: fusion networks over ragged streams of frames. Imports torch only."""
