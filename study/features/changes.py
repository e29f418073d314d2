"""What features are computed from now, beside what those in a pack were computed from: in words, for a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from study.errors import UserError
from study.features.pack import Pack
from study.plurals import counted

NAMED = 3
DIGEST = 12  # characters of a digest that are shown


def what_changed(before: Path, identity: Mapping[str, object], contents: Mapping[str, str]) -> str:
    """What differs between the pack `before` and an encoder of this `identity` that reads these `contents`.

    For example "its weights were 3fa2..., now 9be1..." or "1 of 80 utterances has changed (u7)".
    """
    try:
        pack = Pack.open(before)
        encoder, old = dict(pack.metadata["encoder"]), dict(zip(pack.ids, pack.metadata["contents"], strict=True))
    except (UserError, KeyError, TypeError, ValueError):
        return "which of the two has changed is not known, since that pack is gone"
    parts = [
        f"its {name} were {_short(encoder.get(name))}, now {_short(identity.get(name))}"
        for name in sorted({*encoder, *identity})
        if encoder.get(name) != identity.get(name)
    ]
    changed = [id for id in dict.fromkeys([*old, *contents]) if old.get(id) != contents.get(id)]
    if changed:
        verb, more = "has" if len(changed) == 1 else "have", ", ..." if len(changed) > NAMED else ""
        of_all = f"{len(changed)} of {counted(len(contents), 'utterance')} {verb} changed"
        parts.append(f"{of_all} ({', '.join(changed[:NAMED])}{more})")
    return "; ".join(parts) or "their order has changed"


def _short(value: object) -> str:
    """A value of an encoder's identity; of a digest, its beginning."""
    text = str(value)
    return f"{text[:DIGEST]}" if len(text) == 64 and " " not in text else text
