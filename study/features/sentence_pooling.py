"""The sentence vector that a folder of sentence-transformers declares: modules.json, and the folders that it names.

Everything in these files is data of strangers: unknown modules and settings are refused, none is guessed or left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from study.errors import UserError, first_line

MODULES, CONFIG = "modules.json", "config.json"
LENGTH, PROMPTS = "sentence_bert_config.json", "config_sentence_transformers.json"
FOLDER = r"\d+_\w+"  # of a module
REMEDY = f"save it again, or remove {MODULES} for this project's own sentence vectors"

# As sentence-transformers names them: of all tokens, special ones included.
POOLINGS: dict[str, Callable[[Float[Tensor, "tokens dim"]], Float[Tensor, " dim"]]] = {
    "cls": lambda state: state[0],
    "lasttoken": lambda state: state[-1],
    "max": lambda state: state.amax(0),
    "mean": lambda state: state.mean(0),
    "mean_sqrt_len_tokens": lambda state: state.sum(0) / len(state) ** 0.5,
    "weightedmean": lambda state: torch.linspace(1, len(state), len(state)).to(state) @ state / _sum_to(len(state)),
}
# In configurations of the usual form, a switch for each.
SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}


@dataclass(frozen=True)
class SentencePooling:
    """How a sentence vector is made of token vectors: the name in POOLINGS, and whether its length is then 1."""

    mode: str
    normalised: bool
    max_tokens: int | None = None

    @property
    def identity(self) -> dict[str, object]:
        """Its part of an encoder's identity."""
        return {"pooling": f"{self.mode}, normalised" if self.normalised else self.mode, "max_tokens": self.max_tokens}

    def of(self, state: Float[Tensor, "tokens width_dim"], width: int) -> Float[Tensor, " width_dim"]:
        """The sentence vector of the states of all tokens, for each of `width` choices of layers side by side."""
        vector = POOLINGS[self.mode](state)
        if not self.normalised:
            return vector
        return torch.nn.functional.normalize(vector.unflatten(0, (width, -1)), dim=1).flatten()


def sentence_pooling(spec: str, folder: Path) -> SentencePooling | None:
    """What the model in `folder` declares; None if it is not of sentence-transformers.

    Raises:
        UserError: it declares what is not done here, or its files cannot be read.
    """
    if not (folder / MODULES).exists():
        return None
    listed = _json(spec, folder / MODULES)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UserError(f"modules of sentence-transformers are a list, {folder / MODULES} has none; {REMEDY}")
    kinds = [str(each.get("type", "")).rpartition(".")[2] for each in listed]
    known = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    if kinds not in known or listed[0].get("path"):
        raise UserError(
            f"a model of sentence-transformers is read if its modules are Transformer, Pooling and perhaps Normalize, "
            f"the first in the folder itself; found {', '.join(kinds) or 'none'} in {spec!r}; {REMEDY}"
        )
    place = str(listed[1].get("path"))
    if not re.fullmatch(FOLDER, place):
        raise UserError(f"modules of {spec!r} lie in folders such as 1_Pooling, found {place!r}; {REMEDY}")
    mode = _mode(spec, _json(spec, folder / place / CONFIG))
    length = _settings(spec, folder / LENGTH)
    prompt = _settings(spec, folder / PROMPTS).get("default_prompt_name")
    if prompt or length.get("do_lower_case"):
        found = f"the prompt {prompt!r}" if prompt else "lower case"
        raise UserError(f"texts are read as they are, and {spec!r} declares {found}; {REMEDY}")
    longest = length.get("max_seq_length")
    return SentencePooling(mode, len(kinds) == 3, longest if isinstance(longest, int) and longest > 0 else None)


def _mode(spec: str, config: Any) -> str:
    """The one pooling of a configuration.

    Raises:
        UserError: it has none, several, or one that is not known.
    """
    config = config if isinstance(config, dict) else {}
    switched = [name for switch, name in SWITCHES.items() if config.get(switch)]
    unknown = [name for name, on in config.items() if name.startswith("pooling_mode_") and on and name not in SWITCHES]
    named = config.get("pooling_mode", [])
    found = [*switched, *unknown, *([named] if isinstance(named, str) else named if isinstance(named, list) else [])]
    if len(found) != 1 or found[0] not in POOLINGS:
        raise UserError(
            f"a sentence vector is one of {', '.join(POOLINGS)}, {spec!r} declares "
            f"{' and '.join(map(str, found)) or 'none'}; {REMEDY}"
        )
    return str(found[0])


def _settings(spec: str, path: Path) -> Mapping[str, Any]:
    """What is in a file that may be absent."""
    found = _json(spec, path) if path.exists() else {}
    return found if isinstance(found, dict) else {}


def _json(spec: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{spec!r} is a model of sentence-transformers whose {path} cannot be read ({first_line(error)}); {REMEDY}"
        ) from error


def _sum_to(n: int) -> float:
    return n * (n + 1) / 2
