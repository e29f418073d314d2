"""Model folders in MLflow: logged beside the study's run, registered, and found again by name."""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from study.corpus.quoting import path_text
from study.errors import UserError, type_and_line
from study.sqlite_uri import sqlite_path
from study.tracking.database import make_database
from study.tracking.uri import check_uri, default_uri

ADDRESS = "MLFLOW_TRACKING_URI"
LOADER = "study.inference.mlflow_loader"
REGISTERED = "models:/"
DISTRIBUTION = "ser-study"
# The folder of a logged model that holds what was logged.
DATA = "data"


def check_registry(tracking_uri: str | None, output: Path) -> None:
    """Make sure that a model could be registered, before anything is made for it.

    Raises:
        UserError: no server answers at that address, or it is no database.
    """
    check_uri(_named_uri(tracking_uri), output)


def log_model(
    folder: Path,
    tracking_uri: str | None,
    output: Path,
    tags: Mapping[str, str],
    register: str,
    alias: str | None,
    classes: Sequence[str],
    model_config: Mapping[str, Any],
) -> str:
    """Log the model folder to MLflow, register it as `register`, and give its address, "models:/NAME/3".

    It belongs to the run that has these `tags`, or to a new one where there is none. With `alias`, the version is
    "models:/NAME@ALIAS" too. `model_config` is passed to the loader.

    Raises:
        UserError: MLflow cannot write there, or does not take the name.
    """
    with _mlflow(tracking_uri, output) as mlflow:
        client = mlflow.MlflowClient()
        try:
            with mlflow.start_run(**_run(client, tags, folder.name)):
                info = mlflow.pyfunc.log_model(
                    name="model",
                    loader_module=LOADER,
                    data_path=str(folder),
                    pip_requirements=_requirements(),
                    signature=_signature(mlflow, classes),
                    registered_model_name=register,
                    model_config=dict(model_config),
                )
            if alias:
                client.set_registered_model_alias(register, alias, info.registered_model_version)
        except mlflow.exceptions.MlflowException as error:
            raise UserError(f"MLflow did not register the model as {register!r} ({type_and_line(error)})") from error
        return f"{REGISTERED}{register}/{info.registered_model_version}"


def registered_folder(address: str, tracking_uri: str | None, output: Path) -> Path:
    """A local copy of the model folder that a registry has at `address`, "models:/NAME/3" or "models:/NAME@ALIAS".

    Raises:
        UserError: there is no registry, no such model in it, or it is no model folder of this project.
    """
    _require_registry(address, tracking_uri, output)
    with _mlflow(tracking_uri, output) as mlflow:
        try:
            path = Path(mlflow.artifacts.download_artifacts(artifact_uri=address)) / DATA
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise UserError(
                f"a registered model is models:/NAME/VERSION or models:/NAME@ALIAS of the registry, and {address} "
                f"was not found ({type_and_line(error)}); MLFLOW_TRACKING_URI or --output says where the registry is"
            ) from error
    folders = [each for each in path.glob("*") if each.is_dir()]
    return folders[0] if len(folders) == 1 else path


def _require_registry(address: str, tracking_uri: str | None, output: Path) -> None:
    """Make sure that the database of a registry that is read is there: MLflow would make an empty one.

    Raises:
        UserError: it is not.
    """
    database = sqlite_path(_named_uri(tracking_uri) or default_uri(output))
    if database is not None and not database.is_file():
        raise UserError(
            f"{address} is of an MLflow registry, and there is none at {path_text(database)}; MLFLOW_TRACKING_URI or "
            "--output says where it is"
        )


def _named_uri(tracking_uri: str | None) -> str | None:
    """The address that is given, or that of the environment."""
    return tracking_uri or os.environ.get(ADDRESS) or None


@contextmanager
def _mlflow(tracking_uri: str | None, output: Path) -> Iterator[Any]:
    """MLflow, which takes seconds to import, with its address set while the block runs, and quiet."""
    before = os.environ.get(ADDRESS)
    uri = check_uri(_named_uri(tracking_uri), output)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # It prints what it does, warns of its own tables, and raises errors.
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        database = sqlite_path(uri)
        if database is not None:
            # MLflow would keep artifacts in the working directory.
            make_database(database)
        # This sets the environment too, which later commands of this process would take for the user's.
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow
        finally:
            mlflow.set_tracking_uri(None)
            if before is not None:
                os.environ[ADDRESS] = before


def _run(client: Any, tags: Mapping[str, str], name: str) -> dict[str, Any]:
    """The arguments of `mlflow.start_run` for the run that has the tags, or for a new one."""
    found = [
        run.info.run_id
        for experiment in client.search_experiments()
        for run in client.search_runs(
            [experiment.experiment_id], " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        )
    ]
    return {"run_id": found[0]} if found else {"run_name": f"model {name}", "tags": dict(tags)}


def _signature(mlflow: Any, classes: Sequence[str]) -> Any:
    """Audio and words in; label, score, a probability for each class, and a note out."""
    types = mlflow.types.schema
    text, number = types.DataType.string, types.DataType.double
    inputs = [types.ColSpec(text, name, required=False) for name in ("audio", "text")]
    numbers = [types.ColSpec(number, name) for name in ("score", *(f"p_{each}" for each in classes))]
    outputs = [types.ColSpec(text, "label"), *numbers, types.ColSpec(text, "note")]
    return mlflow.models.ModelSignature(types.Schema(inputs), types.Schema(outputs))


def _requirements() -> list[str]:
    """What a machine that serves the model needs: this project and what it needs, in the versions that are here.

    They are given because MLflow would load the model in another process to guess them.
    """
    try:
        needed = [each for each in requires(DISTRIBUTION) or () if "extra ==" not in each]
        names = [DISTRIBUTION, *(re.split(r"[^A-Za-z0-9._-]", each)[0] for each in needed)]
        return [f"{name}=={version(name)}" for name in names]
    except PackageNotFoundError:  # run from a checkout that is not installed
        return [DISTRIBUTION]
