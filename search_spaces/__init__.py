"""What may vary: one plain define-by-run function per variant family."""
