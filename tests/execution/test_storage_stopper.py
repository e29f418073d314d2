"""The stopper: the first full disk ends the study in good order, and nothing is tried after it."""

import pytest

from study.execution.storage_stopper import StorageStopper
from study.files import StorageFull


def full() -> str:
    raise StorageFull("no room")


def test_while_there_is_room_it_gives_what_the_action_gives() -> None:
    stopper = StorageStopper()
    assert stopper.attempt(lambda: "done", "otherwise") == "done"
    assert stopper.reason is None
    assert not stopper.stop_all()


def test_a_full_disk_is_a_reason_to_stop_all_and_no_single_run() -> None:
    stopper = StorageStopper()
    assert stopper.attempt(full, "otherwise") == "otherwise"
    assert str(stopper.reason) == "no room"
    assert stopper.stop_all()
    assert not stopper("trial", {})


def test_after_the_first_full_disk_nothing_is_tried_any_more() -> None:
    stopper, done = StorageStopper(), []
    stopper.attempt(full, None)
    first = stopper.reason
    assert stopper.attempt(lambda: done.append(1), None) is None
    assert stopper.attempt(full, "otherwise") == "otherwise"
    assert done == []
    assert stopper.reason is first


def test_other_errors_are_not_its_business() -> None:
    stopper = StorageStopper()
    with pytest.raises(OSError, match="gone"):
        stopper.attempt(_gone, None)
    assert not stopper.stop_all()


def _gone() -> None:
    raise OSError("gone")
