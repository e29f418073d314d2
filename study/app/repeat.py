"""The config file that a study leaves in its folder: `ser-study run --config THAT` gives the same study."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from study.app.settings import Settings, VariantOptions
from study.features.options import FeatureOptions
from study.files import write_file
from study.option import Option, options_of
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.terms import Terms
from study.several_paths import absolute
from study.tracking.uri import without_credentials

HEADER = """\
# The options of study {name}, written by `ser-study run`; the same names as on the command line.
# The same study again:  ser-study run --config THIS_FILE
# Another one like it:   ser-study run --config THIS_FILE --name OTHER --seed 1
"""
SECRET = "# tracking-uri is left out: it has a password. Type it again with --tracking-uri.\n"
# From OUTPUT/studies/NAME to OUTPUT, so that an output folder can be moved.
OUTPUT = Path("../..")


def write_config(folder: StudyFolder, settings: Settings, plan: Plan) -> None:
    """Write the options of the study of `plan` into its folder, in one step."""
    machines = replace(settings.machines, name=plan.name, output=OUTPUT)
    is_secret = (
        machines.tracking_uri is not None and without_credentials(machines.tracking_uri) != machines.tracking_uri
    )
    groups = (
        VariantOptions(variants=tuple(plan.variants)),
        settings.corpus,
        plan.terms,
        FeatureOptions.asking_for(
            {modality: [choice.spec for choice in choices] for modality, choices in plan.features.items()},
            trust_remote_code=settings.features.trust_remote_code,
            audio_feature_rate_hz=settings.features.audio_feature_rate_hz,
        ),
        replace(machines, tracking_uri=None) if is_secret else machines,
    )
    found = {key: value for group in groups for key, value in _entries(group).items()}
    lines = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=10**6)
    write_file(folder.options, HEADER.format(name=plan.name) + (SECRET if is_secret else "") + lines)


def _entries(group: Any) -> dict[str, str | int | float | bool]:
    """What a file has of a group: all terms, whose defaults depend on others; of other options, what differs."""
    defaults = {each.name: each.default for each in fields(group)}
    found: dict[str, str | int | float | bool] = {}
    kept = group.kept() if isinstance(group, Terms) else defaults
    for name, option in options_of(type(group)).items():
        if name not in kept:
            continue
        value = getattr(group, name)
        is_usual = value == defaults[name] and not isinstance(group, (Terms, VariantOptions))
        if option.is_lasting and value is not None and not is_usual:
            found[option.name] = _plain(option, value)
    return found


def _plain(option: Option, value: Any) -> str | int | float | bool:
    """The value as YAML shows it best; read again, it is the same text as typed."""
    if option.is_path and value != OUTPUT:
        places = value if isinstance(value, tuple) else (value,)
        return ",".join(absolute(option, str(each)) for each in places)
    is_number = isinstance(value, int | float) and option.text(value) == str(value)
    return value if is_number else option.text(value)
