"""Why a pretrained encoder cannot be loaded or fails: for each cause a line of its own, with what to do about it."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import torch

from study.errors import UserError, type_and_line

LONGEST_CAUSE = 1000  # of a library's words: enough for every path in them

# What is found in the words of a library's error -> the cause and what to do, in ours.
CAUSES: dict[str, str] = {
    r"custom code|trust_remote_code": "it brings Python code of its own; add --trust-remote-code if you trust it",
    r"Should have a `model_type`": "its config.json names no model_type; download the model again",
    r"does not recognize this architecture|Unrecognized model|model type .* not supported": (
        f"transformers {version('transformers')} does not know its kind; install a newer transformers, or pass "
        "another model"
    ),
    r"feature extractor|preprocessor_config\.json": (
        "it has no preprocessor_config.json that can be read; save its feature extractor beside it "
        "(`AutoFeatureExtractor.from_pretrained(ID).save_pretrained(FOLDER)`)"
    ),
    r"ignore_mismatched_sizes|size mismatch": (
        "its weights have other shapes than its config.json says; download it again, or pass another model"
    ),
    r"SafetensorError|UnpicklingError|PytorchStreamReader|header too": (
        "its weights are damaged or cut short; download it again"
    ),
    r"tokenizer": (
        "its tokenizer cannot be read; save it beside the model (`AutoTokenizer.from_pretrained(ID)"
        ".save_pretrained(FOLDER)`)"
    ),
}


def loading_fault(spec: str, folder: Path, kind: str, error: Exception) -> UserError:
    """The error for a model whose files cannot be loaded as `kind`: the cause, and its remedy."""
    return UserError(f"expected {kind} in {spec!r}, could not load it: {_loading_cause(folder, error)}")


def encoding_fault(encoder: str, where: str, error: Exception, noun: str = "encoder") -> UserError:
    """The error for an encoder (or what `noun` says) that fails on an utterance; `where` names that and its file."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
        remedy = f"memory is too small for it; run where there is more, or pass a smaller {noun}"
    else:
        remedy = f"{_words(error)}; if others fail too, pass another {noun}, else correct or drop the utterance"
    return UserError(f"{noun} {encoder} fails on {where}: {remedy}")


def _loading_cause(folder: Path, error: Exception) -> str:
    if broken := _broken_json(folder):
        return f"{broken} is no valid JSON; download the model again"
    words = _words(error)
    if isinstance(error, ImportError) or "pip install" in words:
        return f"it needs a package that is not installed ({words})"
    for pattern, cause in CAUSES.items():
        if re.search(pattern, words):
            return cause
    return f"{words}; pass another model"


def _words(error: Exception) -> str:
    return type_and_line(error)[:LONGEST_CAUSE]


def _broken_json(folder: Path) -> str:
    """The first of a model's JSON files that is none; empty if all are sound."""
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return str(path)
    return ""
