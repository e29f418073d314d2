"""What is learnt: models over ragged streams of frames. Imports torch only."""
