"""Ray's folder has a name that its sockets can have, wherever TMPDIR is."""

import os
import socket
from pathlib import Path

import pytest

from study.errors import UserError
from study.execution.ray_folder import LONGEST_NAME, ray_folder


@pytest.fixture(autouse=True)
def no_other_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)


def test_where_the_name_is_short_ray_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    with ray_folder() as folder:
        assert folder is None


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_name_gets_a_short_one_for_the_same_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    long = tmp_path / ("job-" + "x" * 70)
    monkeypatch.setenv(variable, str(long))
    with ray_folder() as folder:
        assert folder is not None
        name = Path(folder + LONGEST_NAME)
        name.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(name))  # the system refuses a name that is too long
        assert name.samefile(long / "ray" / name.relative_to(folder))
    assert not os.path.lexists(folder)
    assert (long / "ray").is_dir()


@pytest.mark.parametrize("relative", ["", "here"])
def test_a_folder_without_a_place_of_its_own_gets_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, relative: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", relative)
    with ray_folder() as folder:
        assert folder is not None
        assert os.path.isabs(folder)


def test_where_no_short_place_can_be_written_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 80)))
    with pytest.raises(UserError, match=r"RAY_TMPDIR") as refused, ray_folder([str(tmp_path / "none")]):
        pass
    assert "\n" not in str(refused.value)
