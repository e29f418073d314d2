"""From what a user types for MODEL to a model folder: the one place that knows every kind of name."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from study.app.output import print_line
from study.app.place import nearest_study
from study.corpus.quoting import path_text, quoted
from study.errors import UserError
from study.inference import model_folder
from study.inference.model_folder import is_model_folder
from study.inference.place import local_folder
from study.option import is_name
from study.record.folder import StudyFolder

KINDS = (
    "a model is a folder that `ser-study export` wrote, the name of a finished study in --output, a hub id as "
    "owner/name, or models:/NAME@ALIAS of the MLflow registry"
)
REGISTERED = "models:/"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def model_at(name: str, output: Path, console: Console) -> Path:
    """The model folder that `name` stands for; a study that has none yet is exported now, with a line on `console`.

    A folder comes first, then a study, then an id of the hub. "models:/NAME/3" and "models:/NAME@ALIAS" are of the
    MLflow registry at MLFLOW_TRACKING_URI, or of the one in `output`.

    Raises:
        UserError: it is none of these, or the study cannot be exported.
    """
    if name.startswith(REGISTERED):
        # Here because MLflow is slow to import.
        from study.tracking.model_registry import registered_folder

        return registered_folder(name, None, output.absolute())
    path, is_study = Path(name).expanduser(), _is_study(name, output)
    if path.is_dir() and (is_model_folder(path) or not is_study):
        if is_study:
            line = f"{quoted(name)} is a model folder here and a study in {path_text(output)}: the folder is read"
            print_line(console, line, style="yellow")
        return path
    if is_study:
        return _of_study(StudyFolder.of(output, name), console)
    if HUB_ID.fullmatch(name):
        return local_folder(name)
    near = nearest_study(name, output)
    hint = f"did you mean {near}? `ser-study list` shows all" if near else "`ser-study list` shows the studies"
    raise UserError(f"{KINDS}; {quoted(name)} is none of these, with --output {path_text(output)}; {hint}")


def _is_study(name: str, output: Path) -> bool:
    return is_name(name) and StudyFolder.of(output, name).plan.is_file()


def _of_study(folder: StudyFolder, console: Console) -> Path:
    """The folder that a study was exported to, if it has not gone on since; else a new one."""
    # Here because a model folder needs no study, nor what reads one.
    from study.app.model_export import ModelOptions, exported, print_exported
    from study.record.ledger import ledger_digest

    digest = ledger_digest(folder.ledger)
    for path in filter(is_model_folder, sorted(folder.models.glob("*"))):
        config = model_folder.read(path).config
        is_best = config.weights == "folds" and config.study.get("search") == config.study.get("best")
        if is_best and config.study.get("ledger") == digest:
            return path
    print_line(console, f"exporting what {folder.path.name} has selected ...", style="dim")
    selected, found = exported(folder, ModelOptions(), console)
    print_exported(selected, found, console)
    return found.folder
