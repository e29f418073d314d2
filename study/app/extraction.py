"""The verb `features`, and what `run` shares with it: the corpus, the output folder, and the feature packs."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from study.app import terminal
from study.app.extraction_progress import extraction_progress
from study.app.output import is_text, print_line
from study.app.settings import Settings
from study.corpus.utterance import Corpus
from study.errors import FINISHED, UserError
from study.features.prepare import Wanted, prepare, wanted
from study.modalities import MODALITIES
from study.variants import VARIANTS


def extract(settings: Settings, console: Console) -> int:
    """Extract the features that a study with these settings would use, and print their paths."""
    require_folder(settings.machines.output.absolute())
    corpus = open_corpus(settings, console)
    features = wanted_features(corpus, settings)
    unread(features, corpus, console)
    extract_features(features, corpus, settings, console, "`ser-study features`")
    for modality, own in features.items():
        for each in own:
            path = Path(each.choice.path)
            print_line(console, f"{modality}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return FINISHED


def wanted_features(corpus: Corpus, settings: Settings) -> dict[str, list[Wanted]]:
    """The features of every modality that the variants need, named and not yet extracted.

    A mistake in the last is found before hours with the first, and a study that may not go on before all of them.

    Raises:
        UserError: the corpus lacks what a modality needs, or an encoder cannot be opened.
    """
    modalities = [MODALITIES[name] for name in modalities_of(settings.variants)]
    for row in modalities:
        row.require(corpus, variants_with(row.name, settings.variants))
    demo = settings.corpus.is_demo
    settings.features.check_dtype(MODALITIES.values(), demo)
    folder, trust = features_folder(settings), settings.features.trust_remote_code
    return {
        row.name: wanted(corpus, row, settings.features.specs(row, demo), folder, trust_remote_code=trust)
        for row in modalities
    }


def extract_features(
    features: Mapping[str, Sequence[Wanted]], corpus: Corpus, settings: Settings, console: Console, by: str
) -> None:
    """Extract those of `features` that are not there yet.

    `by` is what other processes are shown that wait for an extraction, "study demo-cross".

    Raises:
        UserError: features cannot be extracted.
    """
    for modality, each in features.items():
        with extraction_progress(console) as on_progress:
            prepare(
                corpus,
                MODALITIES[modality],
                [one.choice.spec for one in each],
                features_folder(settings),
                on_progress=on_progress,
                trust_remote_code=settings.features.trust_remote_code,
                by=by,
            )


def unread(features: Mapping[str, Sequence[Wanted]], corpus: Corpus, console: Console) -> list[str]:
    """Print, and give, a sentence for everything that an encoder of `features` does not read of the corpus."""
    rows = [(MODALITIES[modality].unread, each.encoder) for modality, own in features.items() for each in own]
    notes = [note for look, encoder in rows if look is not None for note in look(corpus, encoder).notes()]
    for note in (found := list(dict.fromkeys(notes))):
        print_line(console, note, style="yellow")
    return found


def features_folder(settings: Settings) -> Path:
    """Where packs are kept."""
    return settings.machines.output.absolute() / "features"


def modalities_of(variants: Collection[str]) -> list[str]:
    """The modalities that the variants need, in the order of the table."""
    needed = {name for variant in variants for name in VARIANTS[variant].modalities}
    return [name for name in MODALITIES if name in needed]


def variants_with(modality: str, variants: Collection[str]) -> list[str]:
    """Those of the variants that need a modality."""
    return [name for name in variants if modality in VARIANTS[name].modalities]


def open_corpus(settings: Settings, console: Console) -> Corpus:
    """The corpus that is asked for, after printing what is in it."""
    corpus = settings.corpus.open(modalities_of(settings.variants))
    terminal.print_corpus(console, corpus)
    return corpus


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
