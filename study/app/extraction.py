"""The verb `features`, and what `run` shares with it: the corpus, the output folder, and the feature packs."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from study.app import terminal
from study.app.export import ExportOptions
from study.app.extraction_progress import extraction_progress
from study.app.output import is_text, print_line
from study.app.settings import Settings
from study.corpus.quoting import path_text
from study.corpus.utterance import Corpus
from study.errors import FINISHED, UserError
from study.features.elsewhere.export import export
from study.features.elsewhere.row import from_elsewhere
from study.features.elsewhere.source import Source
from study.features.elsewhere.survey import unused_line
from study.features.inputs import input_of
from study.features.modality import Modality
from study.features.options import FeatureOptions
from study.features.pack import Pack
from study.features.prepare import prepare
from study.features.spec import FeatureChoice
from study.modalities import MODALITIES
from study.variants import VARIANTS


def extract(settings: Settings, exported: ExportOptions, console: Console) -> int:
    """Extract the features that a study with these settings would use, print their paths, and export them if asked."""
    output = settings.machines.output.absolute()
    require_folder(output)
    corpus = open_corpus(settings, console)
    for modality, choices in prepared_features(corpus, settings, console, "`ser-study features`").items():
        for choice in choices:
            path = Path(choice.path)
            print_line(console, f"{modality}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
            if exported.to:
                place = export(Pack.open(path), exported.to, exported.into or output / "exported")
                print_line(console, f"{modality} as {exported.to}: {place}")
    return FINISHED


def prepared_features(corpus: Corpus, settings: Settings, console: Console, by: str) -> dict[str, list[FeatureChoice]]:
    """The feature packs of every modality that the variants need, extracted where they are not there yet.

    `by` is what other processes are shown that wait for an extraction, "study demo-cross".

    Raises:
        UserError: the corpus lacks what a modality needs, or features cannot be extracted.
    """
    rows = {name: _row(name, settings.features) for name in modalities_of(settings.variants)}
    for name, row in rows.items():
        row.require(corpus, variants_with(name, settings.variants))
    demo = settings.corpus.is_demo
    settings.features.check_dtype(MODALITIES.values(), demo)
    folder, trust = settings.machines.output.absolute() / "features", settings.features.trust_remote_code
    asked = {name: settings.features.specs(row, demo) for name, row in rows.items()}
    for name, row in rows.items():
        for spec in asked[name]:
            row.open(spec, trust)  # a mistake in the last is found before hours with the first
    found: dict[str, list[FeatureChoice]] = {}
    # Those from elsewhere first: what is wrong with them is found in seconds.
    for name in sorted(rows, key=lambda name: settings.features.elsewhere(name) is None):
        with extraction_progress(console) as on_progress:
            found[name] = prepare(
                corpus,
                rows[name],
                asked[name],
                folder,
                on_progress=on_progress,
                trust_remote_code=trust,
                by=by,
            )
        if settings.features.elsewhere(name):
            found[name] = _from_elsewhere(corpus, name, found[name], settings.variants, console)
    return {name: found[name] for name in rows}


def _row(name: str, options: FeatureOptions) -> Modality[Any]:
    return from_elsewhere(MODALITIES[name]) if options.elsewhere(name) else MODALITIES[name]


def _from_elsewhere(
    corpus: Corpus, modality: str, choices: Sequence[FeatureChoice], variants: Collection[str], console: Console
) -> list[FeatureChoice]:
    """The choices under the names of what they are, after making sure that they have the streams of the variants."""
    found = []
    for choice in choices:
        path, pack = Path(choice.spec.name), Pack.open(Path(choice.path))
        for variant in variants_with(modality, variants):
            for stream in map(input_of, VARIANTS[variant].inputs):
                if stream.modality == modality:
                    stream.view(pack)
        if line := unused_line(corpus, Source(path), modality):
            print_line(console, line, style="yellow")
        found.append(replace(choice, spec=replace(choice.spec, content=pack.metadata["corpus"][:12])))
    return found


def modalities_of(variants: Collection[str]) -> list[str]:
    """The modalities that the variants need, in the order of the table."""
    needed = {name for variant in variants for name in VARIANTS[variant].modalities}
    return [name for name in MODALITIES if name in needed]


def variants_with(modality: str, variants: Collection[str]) -> list[str]:
    """Those of the variants that need a modality."""
    return [name for name in variants if modality in VARIANTS[name].modalities]


def open_corpus(settings: Settings, console: Console) -> Corpus:
    """The corpus that is asked for, after printing what is in it; of modalities from elsewhere it needs no files."""
    needed = modalities_of(settings.variants)
    places = {name: path for name in needed if (path := settings.features.elsewhere(name))}
    corpus = settings.corpus.open([name for name in needed if name not in places])
    corpus = replace(corpus, notes=(*corpus.notes, *_notes(places)))
    terminal.print_corpus(console, corpus)
    return corpus


def _notes(places: Mapping[str, Path]) -> list[str]:
    return [
        f"{name} features come from {path_text(path)}; whether what made them has seen these labels is not known"
        for name, path in places.items()
    ]


def require_folder(output: Path) -> None:
    """Make sure that there is a folder to write into.

    Raises:
        UserError: there is none and none can be made, or it cannot be written.
    """
    if not is_text(str(output)):
        raise UserError(f"--output expects a folder whose path is text; {str(output)!r} has bytes that are none")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"--output expects a folder that can be written; {output} is none ({error.strerror})") from None
