"""Which utterances there are, what the encoders say of them, and who is held out."""
