"""The utterances of a corpus, their labels, and the division into folds."""
