"""What was found: the ledger, and everything computed from it."""
