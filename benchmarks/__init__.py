"""Ratios against the alternatives, one command each: `python -m benchmarks.training` and its neighbours."""
