"""The verb `features`: the features that a study would use, extracted and exported without one."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from study.app.export import ExportOptions
from study.app.extraction import (
    extract_features,
    extracts_on_machines,
    require_folder,
    studied_corpus,
    unread,
    wanted_features,
)
from study.app.output import print_line
from study.app.place import require_file
from study.app.settings import Settings
from study.errors import FINISHED
from study.execution.address import LOCAL, chosen_address
from study.features.elsewhere.export import export, exported_place
from study.features.pack import Pack


def extract(settings: Settings, exported: ExportOptions, console: Console) -> int:
    """Extract the features that a study with these settings would use, print their paths, and export them if asked."""
    machines = settings.machines
    output = machines.output.absolute()
    require_folder(output)
    if chosen_address(machines.address) != LOCAL:
        from study.execution import connection  # Ray takes a second to import

        connection.check_address(machines.address)
    corpus = studied_corpus(settings, console)
    features = wanted_features(corpus, settings)
    into = exported.into or output / "exported"
    if exported.to:  # before an extraction that may take hours
        for choice in (each.choice for own in features.values() for each in own):
            place = exported_place(choice.pack_name, choice.spec.n_bands, exported.to, into)
            require_file("--into", place)
    unread(features, corpus, console)
    by = "`ser-study features`"
    if extracts_on_machines(features, settings):
        from study.app.machines import connected
        from study.execution.extraction import on_machines

        with connected(machines, console):
            extract_features(features, corpus, settings, console, by, on_machines())
    else:
        extract_features(features, corpus, settings, console, by)
    for modality, own in features.items():
        for path in dict.fromkeys(Path(each.choice.path) for each in own):  # two names may be of the same
            print_line(console, f"{modality}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
            if exported.to:
                place = export(Pack.open(path), exported.to, into)
                print_line(console, f"{modality} as {exported.to}: {place}")
    return FINISHED
