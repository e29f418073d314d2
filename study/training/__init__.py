"""One configuration trained on one fold."""
