"""A study that is interrupted, finds its disk full, is killed, and goes on each time: as if nothing had happened."""

import ipaddress
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.plugins.exportable_study import write_searched
from tests.plugins.small_disk import SmallDisk
from tests.plugins.study_process import ROOT, SMALL, ledger_facts, lines_of, run, stopped_by

STORY = ("--variant", "cross", *SMALL)


@pytest.mark.slow
def test_a_study_that_is_stopped_in_three_ways_equals_the_undisturbed_one(
    iemocap_release: Path, small_disk: SmallDisk, tmp_path: Path
) -> None:
    """Ctrl-C, a full disk and SIGKILL with two workers; then one worker: none of it changes a decision or a score."""
    line = (*STORY, "--corpus", iemocap_release, "--output", small_disk.path, "--name", "story")
    own = small_disk.path / "studies" / "story"
    ledger = own / "ledger.jsonl"
    known = [b""]

    def stopped(stop: Callable[[subprocess.Popen[str]], object]) -> tuple[int, str]:
        """Stop it four lines later; what was on record before stays as it was."""
        end = stopped_by(stop, len(lines_of(ledger)) + 4, *line, cwd=tmp_path, ledger=ledger)
        known.append(ledger.read_bytes())
        before, now = (text[: text.rfind(b"\n") + 1] for text in known[-2:])
        assert now.startswith(before)
        assert len(now) > len(before), end
        return end

    code, printed = stopped(interrupt)
    assert code == 130, printed
    assert "nothing is lost" in printed
    assert "study/run.py --variant cross" in printed
    assert "Traceback" not in printed
    code, printed = stopped(lambda driver: small_disk.leave_no_room(driver.pid, ledger))
    assert code == 1, printed
    assert small_disk.fault in printed
    assert "free some space on that disk" in printed
    assert f"then go on with:\n  python {ROOT / 'study' / 'run.py'} --variant cross" in printed
    assert "Traceback" not in printed
    assert known[-1].endswith(b"\n")
    small_disk.make_room()
    code, _ = stopped(lambda driver: driver.kill())
    assert code == -signal.SIGKILL
    again = ("--config", own / "study.yaml", "--concurrency", "1", "--quiet", "--log-file", "story.log")
    continued = run(*again, cwd=tmp_path)
    assert continued.returncode == 0, continued.stdout + continued.stderr
    assert (continued.stdout, continued.stderr) == ("", "")
    log = (tmp_path / "story.log").read_text(encoding="utf-8")
    assert [text for text in ("continuing study story", "elapsed, about", "cross tuned") if text not in log] == []
    assert len(ledger.read_bytes()) > len(known[-1]), "it was killed before its end"
    undisturbed = write_searched(tmp_path / "undisturbed", iemocap_release, *STORY, name="story")
    assert ledger_facts(own) == ledger_facts(undisturbed.folder.path)
    assert not [path for path in own.rglob(".*") if path.is_file()]


def interrupt(driver: subprocess.Popen[str]) -> None:
    """Ctrl-C; until then other machines cannot reach its cluster, and other users of this one cannot read its token."""
    listening, tokens = [], set()
    for process in psutil.Process(driver.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            listening += [each.laddr.ip for each in process.net_connections("inet") if each.status == "LISTEN"]
            tokens.add(process.environ().get("RAY_AUTH_TOKEN", ""))
    assert listening, "its cluster listens somewhere"
    assert [ip for ip in listening if not ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback] == []
    [token] = tokens - {""}
    assert len(token) == 64, "made for this cluster, in an environment that its own user alone can read"
    driver.send_signal(signal.SIGINT)
