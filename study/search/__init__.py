"""Which fold run is next and which go on: pure decisions, without Ray, Optuna, files or clock."""
