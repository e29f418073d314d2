"""Stories of the race: killed, explained, and what an earlier study found."""

import json
import signal
import subprocess
import time

import pytest

from tests.plugins.study_process import RACE, command, ledger_facts, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def race(tmp_path_factory, iemocap_release):
    """A finished study under the default policy, with one worker."""
    home = tmp_path_factory.mktemp("race")
    finished = run("--variant", "self", "--corpus", iemocap_release, *RACE, "--name", "race", cwd=home)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return home


def test_a_race_with_one_worker_killed_in_the_middle_equals_the_uninterrupted_one(race, iemocap_release, tmp_path):
    line = ["--variant", "self", "--corpus", iemocap_release, *RACE, "--name", "race"]
    ledger = tmp_path / "mlruns" / "studies" / "race" / "ledger.jsonl"
    driver = subprocess.Popen(command(*line), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while driver.poll() is None and (not ledger.exists() or len(ledger.read_bytes().splitlines()) < 20):
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert run(*line, cwd=tmp_path).returncode == 0
    assert ledger_facts(ledger.parent) == ledger_facts(race / "mlruns" / "studies" / "race")


def test_every_configuration_of_a_race_can_be_explained(race):
    told = run("race", cwd=race, verb="explain")
    assert told.returncode == 0
    assert "complete" in told.stdout
    for number in range(3):
        life = run("race", "--config", number, cwd=race, verb="explain").stdout
        assert f"self configuration {number}" in life
        assert "expected end" in life or "all folds at full length" in life
    assert "has no configuration 9" in run("race", "--config", "9", cwd=race, verb="explain").stderr


def test_a_study_starts_from_what_an_earlier_one_found_and_a_dry_run_starts_nothing(race, iemocap_release):
    line = ["--variant", "cross", "--corpus", iemocap_release, *RACE, "--name", "warm", "--warm-start", "race"]
    dry = run(*line, "--dry-run", cwd=race)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "by the clock" in dry.stdout
    assert not (race / "mlruns" / "studies" / "warm").exists()
    assert run(*line, cwd=race).returncode == 0
    records = [json.loads(line) for line in (race / "mlruns/studies/race/ledger.jsonl").read_text().splitlines()]
    before = [record["params"] for record in records if record["kind"] == "config"]
    warm = [json.loads(line) for line in (race / "mlruns/studies/warm/ledger.jsonl").read_text().splitlines()]
    second = next(record["params"] for record in warm if record["kind"] == "config" and record["config"] == 1)
    plan = json.loads((race / "mlruns/studies/warm/plan.json").read_text())
    assert [each["params"] for each in plan["warm_start"]["variants"]["self"]] == before
    assert second in before
