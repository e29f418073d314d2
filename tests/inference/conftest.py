"""A finished study and its model folder, for all tests of what a study is good for. Read only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from study.corpus.utterance import Corpus
from study.inference.export import Exported, export
from study.inference.selected import select
from study.record.folder import StudyFolder
from tests.plugins.exportable_study import write_exportable, write_recordings


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, manifest: Path) -> tuple[StudyFolder, Corpus]:
    """A study of `cross` and `audio` with two new seeds for the one finalist."""
    output = tmp_path_factory.mktemp("finished")
    return write_exportable(output, manifest, "--variant", "cross,audio", "--seeds", "2", "--finalists", "1")


@pytest.fixture(scope="session")
def exported(finished: tuple[StudyFolder, Corpus]) -> Callable[..., Exported]:
    """The function that exports a variant of `finished` to a folder: `exported(to, search="cross")`."""
    folder, corpus = finished

    def export_to(to: Path, search: str = "cross", weights: str = "folds", **more: object) -> Exported:
        options = {"license": None, "trust_remote_code": False, "on_progress": lambda *_: None, **more}
        return export(select(folder, search), corpus, to, weights=weights, **options)  # type: ignore[arg-type]

    return export_to


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, exported: Callable[..., Exported]) -> Path:
    """The model folder of `cross`."""
    return exported(tmp_path_factory.mktemp("models") / "cross").folder


@pytest.fixture(scope="session")
def audio_model(tmp_path_factory: pytest.TempPathFactory, exported: Callable[..., Exported]) -> Path:
    """The model folder of `audio`, which reads no words."""
    return exported(tmp_path_factory.mktemp("models") / "audio", search="audio").folder
