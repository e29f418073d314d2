"""A study on Ray: thin shells around Ray Tune that act on what the search decides."""

import os

# Read when ray is first imported, so they have to stand before any module of this package imports it.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # its boxes ignore verbose=0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing is ever restored from Ray's snapshot: the ledger is the state
}.items():
    os.environ.setdefault(_name, _value)
