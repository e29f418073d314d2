"""The search spaces: one define-by-run function per family of variants."""
