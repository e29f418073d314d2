"""Modules are imported while something else waits; one that cannot be imported is left to its own importer."""

import sys
import time

import pytest

from study.execution.meanwhile import imported_meanwhile


def test_imports_run_beside_the_block_and_are_done_after_it(tmp_path, monkeypatch):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(0.3)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with imported_meanwhile(["slow_library"]):
        begun = time.monotonic()
        assert not hasattr(sys.modules.get("slow_library"), "ready")
        assert time.monotonic() - begun < 0.3, "the block waited"
    assert sys.modules.pop("slow_library").ready


def test_an_import_that_fails_is_raised_where_the_module_is_needed(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("raise OSError('no such device')\n")
    (tmp_path / "sound_library.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with imported_meanwhile(["broken_library", "sound_library"]):
        pass
    assert sys.modules.pop("sound_library")
    with pytest.raises(OSError, match="no such device"):
        __import__("broken_library")


def test_a_block_that_ends_with_an_error_waits_for_no_import(tmp_path, monkeypatch):
    (tmp_path / "endless_library.py").write_text("import time\ntime.sleep(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), imported_meanwhile(["endless_library"]):
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 2
