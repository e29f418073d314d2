"""From a finished study to a model folder, which is checked before it is put in its place."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from study.corpus.quoting import path_text, quoted
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.inputs import input_of
from study.inference import model_folder
from study.inference.card import card
from study.inference.ensemble import Member
from study.inference.figures import figures
from study.inference.fold_models import fold_models
from study.inference.model_config import MemberConfig, ModalityConfig, ModelConfig, StreamConfig
from study.inference.model_folder import FILES, WEIGHTS, Model
from study.inference.refit import refit, refit_epochs
from study.inference.selected import Selected
from study.inference.self_check import Expected, SelfCheck, check, expected_of_folds, expected_of_refit
from study.inference.trained_on import TrainedOn
from study.record.ledger import ledger_digest
from study.record.search_name import variant_of
from study.training.loop import learned_missing

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
# Called with what is being done, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Exported:
    """A model folder that was written and has passed its check; `trained_again` runs had no weights of their epoch."""

    folder: Path
    config: ModelConfig
    size: int
    trained_again: int
    check: SelfCheck
    replaces: bool = False


@dataclass(frozen=True)
class _Made:
    """Members, what is known of each, and what they are to predict."""

    members: Sequence[Member]
    about: tuple[MemberConfig, ...]
    expected: list[Expected]
    trained_again: int = 0


def export(
    selected: Selected,
    corpus: Corpus,
    to: Path,
    *,
    weights: str,
    license: str | None,
    trust_remote_code: bool,
    on_progress: OnProgress,
) -> Exported:
    """Write the model folder `to`, open it anew, and compare what it predicts with what the study has stored.

    Raises:
        UserError: `to` holds other files, the corpus is another than the study's, weights or features are missing, or
            the folder predicts something else than the study.
    """
    require_place(to)
    replaces = model_folder.is_model_folder(to)
    if license is not None and not LICENSE.fullmatch(license):
        raise UserError(f"--license expects an identifier such as apache-2.0 or cc-by-4.0; found {quoted(license)}")
    require_corpus(selected, corpus)
    made = _refit(selected, on_progress) if weights == "refit" else _folds(selected, on_progress)
    trained_on = TrainedOn.of(
        corpus.utterances,
        selected.plan.digest(),
        reads=selected.row.modalities,
        on_read=lambda done, total: on_progress("reading recordings", done, total),
    )
    config = _config(selected, weights, made.about, trained_on)
    tensors = dict(pair for number, member in enumerate(made.members) for pair in member.tensors(number))
    metrics = figures(selected, config)
    model = Model(config, tensors, metrics, card(config, metrics, license), trained_on)
    unfinished = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        model.write(unfinished)
        on_progress("predicting again", 0, len(made.expected))
        found = check(unfinished, selected, made.expected, corpus, trust_remote_code)
        metrics = {**metrics, "check": asdict(found)}
        replace(model, metrics=metrics).write(unfinished)
        to.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            os.replace(unfinished / name, to / name)
    except OSError as error:
        raise UserError(f"a model is written into a folder, and {path_text(to)} does not work ({error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Exported(to, config, (to / WEIGHTS).stat().st_size, made.trained_again, found, replaces)


def require_place(to: Path) -> None:
    """Make sure that a model folder can be written at `to`: nothing is there, or one that is replaced.

    Raises:
        UserError: something else is there.
    """
    if to.exists() and not (to.is_dir() and (model_folder.is_model_folder(to) or not any(to.iterdir()))):
        raise UserError(
            f"--to expects a new folder, or a model folder to replace; {path_text(to)} holds something else"
        )


def require_corpus(selected: Selected, corpus: Corpus) -> None:
    """Make sure that a corpus is the study's.

    Raises:
        UserError: it is another, or was changed.
    """
    if not corpus.has_digest(selected.plan.corpus["digest"]):
        raise UserError(
            f"an export checks itself on the corpus of its study, and this {corpus.name} has other utterances, words "
            f"or labels than {selected.plan.name} was begun with; give the unchanged one with --corpus"
        )


def _folds(selected: Selected, on_progress: OnProgress) -> _Made:
    models = list(
        fold_models(
            selected.folder,
            selected.plan,
            selected.params,
            selected.uses,
            selected.tested,
            lambda use, done, total: on_progress(f"training {use.run.name} again", done, total),
        )
    )
    about = (MemberConfig(each.use.run.name, each.use.run.fold, each.use.run.seed, each.use.epoch) for each in models)
    again = sum(each.trained_again for each in models)
    return _Made([each.member for each in models], tuple(about), expected_of_folds(selected), again)


def _refit(selected: Selected, on_progress: OnProgress) -> _Made:
    plan, search, n_epochs = selected.plan, selected.search, refit_epochs(selected.uses)
    member = refit(
        plan,
        search,
        selected.params,
        n_epochs,
        lambda done, total: on_progress(f"training {search} on all data", done, total),
    )
    about = MemberConfig(f"{search}-refit", None, plan.terms.seed, n_epochs)
    return _Made([member], (about,), expected_of_refit(selected, member))


def _config(selected: Selected, weights: str, members: tuple[MemberConfig, ...], trained_on: TrainedOn) -> ModelConfig:
    plan, features, packs = selected.plan, selected.features(), selected.packs()
    config, recipe = selected.configuration()
    streams = {
        name: StreamConfig(input_of(name).modality, pack.dim // max(1, len(pack.bands)), pack.bands)
        for name, pack in selected.streams().items()
    }
    return ModelConfig(
        variant=variant_of(selected.search),
        weights=weights,
        classes=tuple(plan.classes),
        model=asdict(config),
        recipe=asdict(recipe),
        streams=streams,
        modalities={
            name: ModalityConfig(choice.spec, dict(packs[name].metadata["encoder"]))
            for name, choice in features.items()
        },
        members=members,
        study={
            "name": plan.name,
            "search": selected.search,
            "best": selected.best,
            "plan": plan.digest(),
            "ledger": ledger_digest(selected.folder.ledger),
        },
        corpus={
            "name": plan.corpus["name"],
            "digest": plan.corpus["digest"],
            "trained_on": trained_on.digest,
        },
        temperature=selected.calibration.temperature,
        missing=learned_missing(recipe, streams, [name for name, ids in plan.missing_in(streams).items() if ids]),
    )
