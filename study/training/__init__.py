"""Trains one configuration on one fold."""
