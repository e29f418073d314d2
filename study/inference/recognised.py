"""The reported models of a study on recognised words: each predicts its own test part from these.

Nothing is trained but runs whose weights were not kept, which are trained again to their stored predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torchaudio.functional import edit_distance

from study.corpus.plain_words import plain_words
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.inputs import input_of
from study.features.pack import Pack
from study.inference.encoding import Places
from study.inference.ensemble import CPU, Member
from study.inference.fold_models import fold_models
from study.inference.recognised_frames import TEXT, OnProgress, RecognisedFrames
from study.inference.threads import one_core
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.recognised_words import RecognisedWords, TestedRun
from study.record.search_name import variant_of
from study.report.evidence import Evidence, gather
from study.report.predictions import TestedFold
from study.samplers.proposer import configuration
from study.training.batches import Part
from study.training.gathering import rows_of
from study.training.loop import probabilities
from study.training.metrics import confusion_matrix
from study.variants import VARIANTS


def on_recognised_words(
    folder: StudyFolder,
    corpus: Corpus,
    recognised: Corpus,
    manifest: tuple[str, str],
    *,
    places: Places,
    trust_remote_code: bool,
    on_progress: OnProgress,
) -> RecognisedWords:
    """What the reported models of a study score on the words of `recognised`, a copy of its `corpus` but for these.

    `manifest` is the name of the recognised corpus's file and its sha256.

    Raises:
        UserError: the study is not finished or has no variant that reads words which an encoder of this project can
            read, a corpus is another, or features, weights or an encoder are missing or others.
    """
    evidence = gather(folder)
    plan = evidence.plan
    _require_finished(evidence)
    _require_corpora(plan, corpus, recognised)
    searches = _searches(evidence)
    true = {utterance.id: utterance.words for utterance in corpus.utterances}
    changed = [each for each in recognised.utterances if each.words != true[each.id]]
    frames = RecognisedFrames(changed, places, trust_remote_code, on_progress)
    runs = {search: tuple(_runs(folder, evidence, search, frames, on_progress)) for search in searches}
    pairs = [(plain_words(true[each.id]), plain_words(each.words)) for each in recognised.utterances]
    name, digest = manifest
    return RecognisedWords(
        manifest=name,
        digest=digest,
        plan=plan.digest(),
        n_utterances=len(pairs),
        n_empty=sum(not found for _, found in pairs),
        n_words=sum(len(said) for said, _ in pairs),
        n_edits=sum(edit_distance(said, found) for said, found in pairs),
        runs=runs,
    )


def _require_finished(evidence: Evidence) -> None:
    if evidence.left:
        raise UserError(
            f"recognised words are scored by the reported models of a finished study, and {evidence.plan.name} has "
            f"something left ({evidence.left})"
        )


def _require_corpora(plan: Plan, corpus: Corpus, recognised: Corpus) -> None:
    """Make sure that both are the study's corpus, the second one but for its words."""
    law = "recognised words are of the study's own corpus"
    if not corpus.has_digest(plan.corpus["digest"]):
        raise UserError(
            f"{law}, and {corpus.name} has other utterances, words or labels than {plan.name} was begun with; give "
            "the unchanged one with --corpus"
        )
    true = {utterance.id: utterance.words for utterance in corpus.utterances}
    others = [each.id for each in recognised.utterances if each.id not in true]
    spoken = (replace(each, words=true.get(each.id, "")) for each in recognised.utterances)
    if others or replace(recognised, utterances=tuple(spoken)).digest() != corpus.digest():
        found = f"{len(others)} utterances of other ids" if others else "other utterances, labels, speakers or groups"
        raise UserError(
            f"{law}, and {recognised.name} has {found} than {plan.name} was begun with; write its manifest with "
            "`ser-study transcribe` and the corpus, --labels and --label-map of the study"
        )


def _searches(evidence: Evidence) -> list[str]:
    """The searches whose models read words that an encoder of this project reads."""
    plan = evidence.plan
    reading = [name for name in evidence.outcomes if TEXT in VARIANTS[variant_of(name)].modalities]
    if not reading:
        raise UserError(f"recognised words are for variants that read words, and {plan.name} has selected none such")
    if any(choice.spec.is_elsewhere for choice in plan.features[TEXT]):
        raise UserError(
            f"recognised words are encoded as the true ones were, and text features of {plan.name} were made by "
            "another program; run a study of the recognised manifest's features instead"
        )
    return reading


def _runs(
    folder: StudyFolder, evidence: Evidence, search: str, frames: RecognisedFrames, on_progress: OnProgress
) -> Iterator[TestedRun]:
    """What each reported run of a search tested, on recognised words."""
    plan, uses = evidence.plan, evidence.outcomes[search].uses
    params = {config.number: config.params for config in evidence.configs[search]}
    for number, (use, stored) in enumerate(zip(uses, evidence.tested[search], strict=True)):
        on_progress(f"predicting with {search}", number, len(uses))
        own = params[use.run.config]
        (model,) = fold_models(
            folder,
            plan,
            own,
            [use],
            [stored],
            lambda use, done, n: on_progress(f"training {use.run.name} again", done, n),
        )
        streams = _streams(plan, search, own, frames)
        yield _tested(plan, use, model.member, stored, streams)


def _streams(plan: Plan, search: str, params: Mapping[str, object], frames: RecognisedFrames) -> dict[str, Pack]:
    """The frames that a configuration reads, its text frames those of recognised words."""
    row = VARIANTS[variant_of(search)]
    chosen = configuration(row, params)[1].features
    packs = {}
    for name in row.modalities:
        choice = next(each for each in plan.features[name] if each.label == chosen.get(name, each.label))
        packs[name] = frames.pack(choice) if name == TEXT else Pack.open(Path(choice.path))
    return {name: input_of(name).view(packs[input_of(name).modality]) for name in row.inputs}


def _tested(plan: Plan, use: Use, member: Member, stored: TestedFold, streams: Mapping[str, Pack]) -> TestedRun:
    """The counts of a run's test part."""
    ids, lacking = tuple(utterance["id"] for utterance in stored.utterances), plan.missing_in(streams)
    rows = {name: rows_of(pack, ids, lacking[name]) for name, pack in streams.items()}
    part = Part(ids, torch.from_numpy(stored.labels), streams, rows, member.scaling, CPU)
    with one_core():
        predicted = probabilities(member.module, part, len(plan.classes)).numpy().argmax(1)
    counts = confusion_matrix(stored.labels, predicted, len(plan.classes))
    return TestedRun(use.run.name, use.epoch, use.block, use.swapped, counts.tolist())
