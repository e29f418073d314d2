"""The verb `export`: from a finished study to a model folder that predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from study.app.output import print_line
from study.app.parsing import group_of
from study.app.place import study_folder
from study.app.predict_command import predict_command
from study.app.settings import MachineOptions
from study.app.step_progress import step_progress
from study.app.study_corpus import study_corpus, study_options, trusts_remote_code
from study.errors import FINISHED, UserError
from study.inference.export import Exported, export
from study.inference.selected import Selected, distinct_epochs, select
from study.option import option
from study.plurals import counted
from study.record.folder import StudyFolder
from study.report.formats import format_bytes
from study.tracking.registered_name import ALIAS_LAW, NAME_LAW, is_alias, is_registered_name

WEIGHTS = ("folds", "refit")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What is exported, and where to."""

    variant: str | None = option(
        "--variant",
        "of which variant (of several, the best by validation)",
        default=None,
        metavar="V",
        is_lasting=False,
    )
    to: Path | None = option(  # noqa: RUF009 (it declares the field)
        "--to",
        "the model folder: a new or empty one, or a model folder, which is replaced (in the study's folder, where "
        "`predict NAME` finds it)",
        default=None,
        metavar="DIR",
        read=Path,
        is_lasting=False,
    )
    weights: str = option(
        "--weights",
        "folds: the reported models of all folds and seeds, whose probabilities are averaged; refit: one model, "
        "trained on all data (folds)",
        default="folds",
        metavar="KIND",
        law=" or ".join(WEIGHTS),
        holds=lambda kind: kind in WEIGHTS,
        is_lasting=False,
    )
    license: str | None = option(
        "--license",
        "the model's licence for its card, as apache-2.0 (not stated)",
        default=None,
        metavar="ID",
        is_lasting=False,
    )
    register: str | None = option(
        "--register",
        "also log the model to MLflow and register it by this name (not registered)",
        default=None,
        metavar="MODEL",
        law=NAME_LAW,
        holds=is_registered_name,
        is_lasting=False,
    )
    alias: str | None = option(
        "--alias",
        "the alias of the registered version, as champion (none)",
        default=None,
        metavar="A",
        law=ALIAS_LAW,
        holds=is_alias,
        is_lasting=False,
    )
    corpus: str | None = option(
        "--corpus",
        "where the study's corpus is now, for the check (where it was)",
        default=None,
        metavar="PATH",
        is_path=True,
        is_lasting=False,
    )

    def __post_init__(self) -> None:
        """Make sure that an alias is one of a registered model.

        Raises:
            UserError: nothing is registered.
        """
        if self.alias is not None and self.register is None:
            raise UserError("--alias names a registered version; give --register MODEL too")


def export_model(name: str, output: Path, options: ModelOptions, console: Console) -> int:
    """Export what a study has selected, and print what was written and what the check has found."""
    folder = study_folder(name, output)
    if options.register:
        _check_registry(folder, output)
    selected, found = exported(folder, options, console)
    print_exported(selected, found, console)
    if options.register:
        print_line(console, f"registered   {_register(selected, found, output, options)}")
    is_studys = not options.to and selected.search == selected.best and options.weights == "folds"
    model = name if is_studys else found.folder
    if not found.config.elsewhere:
        print_line(console, f"next         {predict_command(model, found.config.modalities, output)}")
    return FINISHED


def exported(folder: StudyFolder, options: ModelOptions, console: Console) -> tuple[Selected, Exported]:
    """Export what the study in `folder` has selected.

    Raises:
        UserError: the study is not finished, its corpus is away, or the model predicts something else than the study.
    """
    selected = select(folder, options.variant)
    away = [name for name, choice in selected.features().items() if choice.spec.is_elsewhere]
    needed = [name for name in selected.row.modalities if name not in away]
    corpus = study_corpus(folder, needed, options.corpus, "an export checks itself on the corpus of its study")
    to = options.to.expanduser().absolute() if options.to else folder.model_of(selected.search, options.weights)
    with step_progress(console) as on_progress:
        found = export(
            selected,
            corpus,
            to,
            weights=options.weights,
            license=options.license,
            trust_remote_code=trusts_remote_code(folder),
            on_progress=on_progress,
        )
    return selected, found


def _check_registry(folder: StudyFolder, output: Path) -> None:
    """Make sure that a model could be registered where the study is tracked.

    Raises:
        UserError: it could not.
    """
    # Here because what it imports is slow, and few models are registered.
    from study.tracking.model_registry import check_registry

    check_registry(group_of(MachineOptions, study_options(folder)).tracking_uri, output.absolute())


def _register(selected: Selected, found: Exported, output: Path, wanted: ModelOptions) -> str:
    """Log and register an exported model where its study is tracked; its address."""
    # Here because MLflow is slow to import.
    from study.inference.mlflow_loader import TRUST
    from study.tracking.model_registry import log_model

    assert wanted.register is not None
    tags = {"study": selected.plan.name, "level": "study", "variant": selected.search}
    address = log_model(
        found.folder,
        group_of(MachineOptions, study_options(selected.folder)).tracking_uri,
        output.absolute(),
        tags,
        wanted.register,
        wanted.alias,
        found.config.classes,
        {TRUST: trusts_remote_code(selected.folder)},
    )
    return f"{address}, models:/{wanted.register}@{wanted.alias}" if wanted.alias else address


def print_exported(selected: Selected, found: Exported, console: Console) -> None:
    """Print what was written, and what the check has found."""
    several = selected.others and selected.search == selected.best
    chosen = f", the best by validation of {', '.join((selected.search, *selected.others))}" if several else ""
    members = found.config.members
    if found.config.weights == "refit":
        what = f"one model of all data, {counted(members[0].epoch, 'epoch')}"
    else:
        what = f"{counted(len(members), 'fold model')}, {distinct_epochs(selected.uses)}"
    again = f", of which {found.trained_again} trained again to equal predictions" if found.trained_again else ""
    number = selected.outcome.config.number
    print_line(console, f"{selected.plan.name}: {selected.search}{chosen}; configuration {number}; {what}{again}")
    instead = ", in the place of the model that was there" if found.replaces else ""
    print_line(console, f"model        {found.folder} ({format_bytes(found.size)}){instead}")
    print_line(console, f"checked      {found.check.sentence}")
    if found.config.elsewhere:
        made = " and ".join(found.config.elsewhere)
        line = f"its {made} features were made by another program: it predicts from no recording"
        print_line(console, line, style="yellow")
