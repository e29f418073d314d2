"""What `run` and `features` share: the corpus, the output folder, and the feature packs."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from study.app.corpus_summary import print_corpus
from study.app.extraction_progress import extraction_progress
from study.app.missing_modalities import missing_of, unreadable
from study.app.output import is_text, print_line
from study.app.settings import Settings
from study.app.step_progress import step_progress
from study.corpus.described import Known
from study.corpus.examine import examine
from study.corpus.quoting import path_text
from study.corpus.recordings_file import read_recordings, write_recordings
from study.corpus.remarks import notes_on
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.execution.address import LOCAL, chosen_address
from study.features.elsewhere.row import FoundFeatures, from_elsewhere
from study.features.elsewhere.survey import unused_line
from study.features.extract import EncodeBlocks
from study.features.inputs import input_of
from study.features.modality import Modality
from study.features.options import FeatureOptions
from study.features.pack import Pack
from study.features.prepare import Wanted, prepare, wanted
from study.modalities import MODALITIES
from study.protocols import PROTOCOLS
from study.variants import VARIANTS

# In the folder of features: what is known of recordings that were decoded.
RECORDINGS = "recordings.json"


def wanted_features(corpus: Corpus, settings: Settings) -> dict[str, list[Wanted]]:
    """The features of every modality that the variants need, named and not yet extracted.

    A mistake in the last is found before hours with the first, and a study that may not go on before all of them.

    Raises:
        UserError: the corpus lacks what a modality needs, or all that a variant reads of some utterances; an encoder
            cannot be opened, or features from elsewhere cannot be used.
    """
    rows = {name: _row(name, settings.features) for name in modalities_of(settings.variants)}
    for name, row in rows.items():
        row.require(corpus, variants_with(name, settings.variants))
    demo = settings.corpus.is_demo
    settings.features.check_dtype(MODALITIES.values(), demo)
    folder, trust = features_folder(settings), settings.features.trust_remote_code
    found = {
        name: wanted(corpus, rows[name], settings.features.specs(rows[name], demo), folder, trust_remote_code=trust)
        for name in _elsewhere_first(rows, settings.features)
    }
    for name, own in found.items():
        _require_different(name, own)
    groups = {utterance.id: utterance.group for utterance in corpus.utterances}
    for fault in unreadable(groups, missing_of(found, corpus), settings.variants, corpus.name):
        raise UserError(fault)
    return {name: found[name] for name in rows}


def _require_different(modality: str, features: Sequence[Wanted]) -> None:
    """Make sure that no two places have the same features: the search would have one choice twice.

    Raises:
        UserError: two have.
    """
    first: dict[str, str] = {}
    for spec in (each.choice.spec for each in features if each.choice.spec.is_elsewhere):
        if first.setdefault(spec.label, spec.name) != spec.name:
            raise UserError(
                f"--{modality}-features with commas are different features, found the same in "
                f"{path_text(Path(first[spec.label]))} and {path_text(Path(spec.name))}; leave one of them out"
            )


def extracts_on_machines(features: Mapping[str, Sequence[Wanted]], settings: Settings) -> bool:
    """Whether those of `features` that are not there yet are extracted in processes of Ray's.

    So it is where there is a cluster, or where an encoder with weights finds a GPU here: were it this process that
    used the GPU, the memory would be taken from the workers' as long as the study runs.
    """
    missing = [
        (MODALITIES[modality], each.choice.spec)
        for modality, own in features.items()
        for each in own
        if not each.choice.spec.is_elsewhere and not Path(each.choice.path).exists()
    ]
    if chosen_address(settings.machines.address) != LOCAL:
        return bool(missing)
    # Counting GPUs does not start CUDA.
    return any(spec.name not in modality.built_in for modality, spec in missing) and torch.cuda.device_count() > 0


def extract_features(
    features: Mapping[str, Sequence[Wanted]],
    corpus: Corpus,
    settings: Settings,
    console: Console,
    by: str,
    encode_blocks: EncodeBlocks | None = None,
) -> None:
    """Extract those of `features` that are not there yet, in threads or by another way to encode blocks.

    `by` is what other processes are shown that wait for an extraction, "study demo-cross".

    Raises:
        UserError: features cannot be extracted, or those from elsewhere lack a stream of the variants.
    """
    for modality in _elsewhere_first(features, settings.features):
        with extraction_progress(console) as on_progress:
            prepare(
                corpus,
                _row(modality, settings.features),
                [each.choice.spec for each in features[modality]],
                features_folder(settings),
                on_progress=on_progress,
                trust_remote_code=settings.features.trust_remote_code,
                by=by,
                encode_blocks=encode_blocks,
            )
        for each in features[modality]:
            if isinstance(each.encoder, FoundFeatures):
                _require_streams(modality, each, settings.variants)
                if line := unused_line(corpus, each.encoder.source, modality):
                    print_line(console, line, style="yellow")


def _row(name: str, options: FeatureOptions) -> Modality[Any]:
    if not options.elsewhere(name):
        return MODALITIES[name]
    return from_elsewhere(MODALITIES[name], options.feature_rate_hz(name))


def _elsewhere_first(modalities: Collection[str], options: FeatureOptions) -> list[str]:
    """What is wrong with features from elsewhere is found in seconds, so they come before encoders."""
    return sorted(modalities, key=lambda name: not options.elsewhere(name))


def _require_streams(modality: str, own: Wanted, variants: Collection[str]) -> None:
    pack = Pack.open(Path(own.choice.path))
    for variant in variants_with(modality, variants):
        for stream in map(input_of, VARIANTS[variant].inputs):
            if stream.modality == modality:
                stream.view(pack)


def unread(features: Mapping[str, Sequence[Wanted]], corpus: Corpus, console: Console) -> list[str]:
    """Print, and give, a sentence for everything that an encoder of `features` does not read of the corpus."""
    rows = [
        (MODALITIES[modality].unread, each.encoder)
        for modality, own in features.items()
        for each in own
        if not each.choice.spec.is_elsewhere
    ]
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


def studied_corpus(settings: Settings, console: Console) -> Corpus:
    """The corpus that is asked for, with what is held out as groups, after printing what is in it.

    Of modalities from elsewhere it needs no files.

    Raises:
        UserError: it cannot be read, or `ser-study check` finds a problem in it that a study must not have.
    """
    needed = modalities_of(settings.variants)
    places = {name: paths for name in needed if (paths := settings.features.elsewhere(name))}
    media = [name for name in needed if name not in places]
    kept = features_folder(settings) / RECORDINGS
    known = read_recordings(kept)
    before = len(known)
    corpus = open_corpus(settings.corpus, media, known)
    corpus = PROTOCOLS[settings.terms.protocol].regroup(corpus, settings.terms.folds)
    notes = (*corpus.notes, *_examined(corpus, media, settings, console, known), *_notes(places, settings.features))
    if len(known) > before:
        write_recordings(kept, known)
    corpus = replace(corpus, notes=notes)
    print_corpus(console, corpus)
    return corpus


def _examined(
    corpus: Corpus, media: Sequence[str], settings: Settings, console: Console, known: Known
) -> tuple[str, ...]:
    """Look at what `check` looks at; the notes are its remarks."""
    if settings.corpus.is_demo:
        return ()  # its files are committed with checksums, and a test examines them
    with step_progress(console) as on_step:
        found = examine(corpus, settings.corpus, media, on_step, known)
    return notes_on(found.problems, settings.corpus)


def _notes(places: Mapping[str, Sequence[Path]], options: FeatureOptions) -> list[str]:
    own = {name: options.feature_rate_hz(name) for name in places}
    rates = {name: "" if rate is None else f", {rate:g} frames a second" for name, rate in own.items()}
    return [
        f"{name} features come from {path_text(path)}{rates[name]}; whether what made them has seen these labels is "
        "not known"
        for name, paths in places.items()
        for path in paths
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
