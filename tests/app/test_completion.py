"""Shells complete verbs, options, values, files and studies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from study.app.cli import main
from study.app.verbs import SHELLS, VERBS


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_verb_and_the_options_of_run(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    wanted = [*VERBS, "sampler", "optuna-qmc", "log-file"]
    assert [word for word in wanted if word not in script] == []


def test_bash_completes_with_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlruns" / "studies" / "demo-cross").mkdir(parents=True)
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="utf-8")

    def completed(*words: str) -> set[str]:
        typed = " ".join(f"'{word}'" for word in ("ser-study", *words))
        program = (
            f"source ./script; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
            "$(complete -p ser-study | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        return set(done.stdout.split())

    assert completed("re") == {"report"}
    assert {"--configs", "--config"} <= completed("run", "--conf")
    assert completed("run", "--policy", "r") == {"race"}
    assert completed("report", "demo") == {"demo-cross"}
