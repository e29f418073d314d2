"""A variant that failed as a whole begins anew: nothing of the others changes, and nothing is lost."""

from pathlib import Path

import pytest

from study.record.events import Closed, ConfigAdded, EpochDone, Event, Phase, RunLost, StudyBegun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.set_aside import failed_variants, set_aside
from study.training.metrics import METRICS

SCORES = dict.fromkeys(METRICS, 0.5)


def epoch(variant: str, config: int, number: int = 1) -> EpochDone:
    return EpochDone(variant, config, 0, 0, number, 1.0, SCORES, SCORES, 0.5, False)


def config(variant: str, number: int, end: str) -> list[Event]:
    """A configuration of one epoch and how it ends, "" for one that is open."""
    begun: list[Event] = [ConfigAdded(variant, number, {}), epoch(variant, number)]
    if end in ("failed", "diverged"):
        begun.append(RunLost(variant, number, 0, 0, Phase(end), f"why {number}"))
    return [*begun, *([Closed(variant, number, Phase(end), f"why {number}")] if end else [])]


def events(variant: str, *ends: str) -> list[Event]:
    return [event for number, end in enumerate(ends) for event in config(variant, number, end)]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (("failed",), "why 0"),
        (("failed", "failed", "failed"), "why 2"),
        (("failed", "diverged"), "why 0"),
        (("failed", "stopped"), "why 0"),
        (("diverged", "diverged"), None),
        (("failed", "complete"), None),
        (("failed", ""), None),
        ((), None),
    ],
)
def test_a_variant_is_tried_again_if_something_failed_and_nothing_is_left_to_hope_for(
    ends: tuple[str, ...], reason: str | None
) -> None:
    found = failed_variants([*events("text", *ends), *events("audio", "complete")])
    assert found == ({} if reason is None else {"text": reason})


def test_an_epoch_that_arrives_late_opens_no_configuration() -> None:
    """Other folds of a configuration report after it is closed."""
    assert failed_variants([*events("text", "failed"), epoch("text", 0, 2)]) == {"text": "why 0"}


def test_the_ledger_is_kept_whole_and_goes_on_with_the_other_variants(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    ledger = Ledger(folder.ledger)
    others = events("audio", "complete")
    for record in [StudyBegun("0" * 64, {}, {}), *events("text", "failed"), *others]:
        ledger.append(record)
    (of_text, of_audio) = (event.run for event in (epoch("text", 0), epoch("audio", 0)))
    for run in (of_text, of_audio):
        for path in (folder.checkpoint_of(run), folder.predictions / f"{run.name}.safetensors"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    before = folder.ledger.read_bytes()
    assert set_aside(folder, {"text"}).read_bytes() == before
    assert Ledger(folder.ledger).records == [StudyBegun("0" * 64, {}, {}), *others]
    left = [path.stem for place in (folder.checkpoints, folder.predictions) for path in place.iterdir()]
    assert left == [of_audio.name, of_audio.name]
    assert set_aside(folder, {"audio"}).name == "ledger-failed-2.jsonl"
    assert (tmp_path / "ledger-failed-1.jsonl").read_bytes() == before
