"""What frozen encoders make of utterances, computed once and kept in packs."""
