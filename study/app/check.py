"""The verb that looks at a corpus."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from study.app.division import division_table
from study.app.encoder_check import EncoderOptions, check_encoders
from study.app.extraction import modalities_of, variants_with
from study.app.missing_modalities import Missing, notes_on_missing, unreadable, untaught
from study.app.output import print_line
from study.app.step_progress import step_progress
from study.corpus.check import CheckReport, check
from study.corpus.check_view import render
from study.corpus.holding_out import HoldingOut
from study.corpus.loss_needs import require_for_losses
from study.corpus.media import MEDIA
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.utterance import Problem
from study.errors import FAILED, FINISHED, UserError
from study.features.elsewhere.source import Source
from study.features.elsewhere.survey import survey, unused_line
from study.modalities import MODALITIES
from study.report.formats import format_duration
from study.variants import VARIANTS


def check_corpus(
    options: CorpusOptions,
    variants: Sequence[str],
    losses: Sequence[str],
    pairs: Sequence[str],
    holding_out: HoldingOut,
    show_all: bool,
    encoders: EncoderOptions,
    console: Console,
) -> int:
    """Show every problem of a corpus; the exit code is FAILED if one of them keeps a study from running.

    Of a study of `variants`, if there are any; else of a study that needs every file that the corpus names. Where
    nothing else keeps a study from running, the folds of one that is `holding_out` so are shown, too. Of
    modalities whose features come from elsewhere, these are checked instead of files. What the other `encoders` would
    make of the corpus is estimated where nothing else keeps a study from running.
    """
    places = {name: paths for name in MODALITIES if (paths := encoders.features.elsewhere(name))}
    media = [name for name in (modalities_of(variants) if variants else MEDIA) if name not in places]
    with step_progress(console) as on_step:
        found = check(options, media, holding_out, on_step)
    lines: list[str] = []
    missing: dict[str, set[str]] = {}
    problems = (
        *found.problems,
        *_lacks(found, variants, places, losses, pairs, missing),
        *_of_places(found, places, encoders, lines, missing),
    )
    found = replace(found, problems=(*problems, *_of_missing(found, variants, missing)))
    if found.corpus is not None and not found.fatal:
        by_encoders = check_encoders(found.corpus, encoders, options.is_demo, console)
        found = replace(found, problems=(*found.problems, *by_encoders.problems))
        lines += by_encoders.lines
    console.print(render(found, show_all=show_all), soft_wrap=True, highlight=False)
    if found.folds and found.corpus is not None and not found.fatal:
        folds = [fold.to_json() for fold in found.folds]
        members = ((u.group, u.label) for u in found.corpus.utterances)
        console.print(division_table(folds, members, found.corpus.classes))
    for line in lines:
        print_line(console, line)
    return FAILED if found.fatal else FINISHED


def _of_places(
    found: CheckReport,
    places: Mapping[str, Sequence[Path]],
    encoders: EncoderOptions,
    lines: list[str],
    missing: dict[str, set[str]],
) -> Iterator[Problem]:
    """What is wrong with features from elsewhere, by modality, and what of them is not used; `lines` say the rest.

    Utterances that may lack such features, and do, are added to `missing`.
    """
    for modality, path in ((name, path) for name, paths in places.items() for path in paths):
        if found.corpus is None:
            return
        kind = f"{modality} features"
        try:
            source = Source(path)
        except UserError as error:
            yield Problem(path_text(path), str(error), True, kind)
            continue
        seen = survey(found.corpus, source, MODALITIES[modality].optional)
        if seen.missing:
            missing.setdefault(modality, set()).update(seen.missing)
        for fault in seen.faults:
            yield Problem(path_text(path), f"{fault}; mend them, or leave these utterances out", True, kind)
        if line := unused_line(found.corpus, source, modality):
            yield Problem(path_text(path), line, False, f"{kind} that are not used")
        if not seen.faults:
            rate = encoders.features.feature_rate_hz(modality)
            timed = "" if rate is None else f" ({rate:g} a second, so {format_duration(seen.n_frames / rate)} in all)"
            lines.append(f"{kind} in {path_text(path)}: {seen.n_frames:,} frames{timed} of {seen.dim:,} values")


def _lacks(
    found: CheckReport,
    variants: Sequence[str],
    places: Collection[str],
    losses: Sequence[str],
    pairs: Sequence[str],
    missing: dict[str, set[str]],
) -> Iterator[Problem]:
    """What the corpus lacks for the variants and the losses; utterances that may lack a modality go to `missing`."""
    if found.corpus is None:
        return
    try:
        for note in require_for_losses(found.corpus, losses, pairs):
            yield Problem(found.place, note, False, "votes")
    except UserError as error:
        yield Problem(found.place, str(error), True, "losses")
    lacking = {problem.kind for problem in found.problems if problem.fatal}
    for name in (name for name in modalities_of(variants or tuple(VARIANTS)) if name not in places):
        if variants and f"missing {name} files" not in lacking:  # else it has been said, file by file
            try:
                MODALITIES[name].require(found.corpus, variants_with(name, variants))
            except UserError as error:
                yield Problem(found.place, str(error), True, name)
                continue
        ids = MODALITIES[name].missing(found.corpus)
        if 0 < len(ids) < len(found.corpus.utterances):
            missing[name] = set(ids)


def _of_missing(found: CheckReport, variants: Sequence[str], missing: Missing) -> Iterator[Problem]:
    """What utterances that lack a modality keep the variants from, and what is said of them.

    It stops no study where no variants are asked for.
    """
    if found.corpus is None:
        return
    groups = {utterance.id: utterance.group for utterance in found.corpus.utterances}
    trainings = [fold.training for fold in found.folds]
    asked = tuple(variants) or tuple(VARIANTS)
    read = {name: ids for name, ids in missing.items() if name in modalities_of(asked)}
    faults = (*unreadable(groups, read, asked, found.corpus.name), *untaught(groups, read, trainings))
    notes = () if faults and variants else notes_on_missing(groups, read, trainings)
    for lines, fatal in ((faults, bool(variants)), (notes, False)):
        yield from (Problem(found.place, line, fatal, "missing modalities") for line in lines)
