"""Hyperparameter studies of multimodal speech emotion recognition."""
