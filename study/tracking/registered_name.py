"""What may name a registered model and an alias of it, so that a wrong name is found before a model is made.

Source: `mlflow.utils.validation`, which takes seconds to import; the length is what every store of MLflow keeps.
"""

from __future__ import annotations

import re

MOST_BYTES = 200
NAME_LAW = f"a name without / and :, of at most {MOST_BYTES} bytes"
ALIAS_LAW = f"letters, digits, - and _ (at most {MOST_BYTES} bytes), not latest and not a version such as v3"


def is_registered_name(text: str) -> bool:
    """Whether MLflow registers a model by this name."""
    is_usual = text.isprintable() and text == text.strip() and text not in ("", ".", "..")
    return is_usual and not set(text) & set("/:") and _is_short(text)


def is_alias(text: str) -> bool:
    """Whether MLflow takes a text for the alias of a version."""
    is_reserved = text.lower() == "latest" or re.fullmatch(r"[vV]\d+", text)
    return bool(re.fullmatch(r"[\w-]+", text)) and not is_reserved and _is_short(text)


def _is_short(text: str) -> bool:
    return len(text.encode(errors="replace")) <= MOST_BYTES
