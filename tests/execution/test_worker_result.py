"""A worker's result reaches the scheduler as it was, whatever Ray does to nested values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.utils.util import flatten_dict

from study.execution.worker_result import (
    KEY,
    KINDS,
    EpochsTrained,
    EpochTrained,
    RunDiverged,
    RunFailed,
    ShareOutgrown,
    StorageIsFull,
    WorkerResult,
    from_tune,
    to_tune,
)
from study.record.events import EpochDone, FoldRun, from_json, to_json
from study.training.metrics import METRICS

scores = st.fixed_dictionaries({metric: st.floats(0, 1) for metric in METRICS})
texts = st.text(max_size=30)
results: dict[str, st.SearchStrategy[WorkerResult]] = {
    "EpochsTrained": st.builds(
        EpochsTrained,
        st.lists(
            st.builds(
                EpochTrained,
                st.integers(1, 50),
                st.floats(0, 1e6),
                scores,
                scores,
                st.floats(0, 1e6),
                st.booleans(),
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
    ),
    "RunDiverged": st.builds(RunDiverged, texts),
    "RunFailed": st.builds(RunFailed, texts),
    "ShareOutgrown": st.builds(ShareOutgrown, st.text()),
    "StorageIsFull": st.builds(StorageIsFull, texts),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_result_survives_the_way_through_tune(kind: str, data: st.DataObject) -> None:
    result = data.draw(results[kind])
    reported = to_tune(result)
    assert from_tune(flatten_dict({**reported, "config": {"job": 1}, "training_iteration": 3})) == result
    assert list(reported) == [KEY]
    json.loads(reported[KEY])


def test_an_epoch_becomes_the_event_that_the_ledger_keeps() -> None:
    halves = dict.fromkeys(METRICS, 0.5)
    event = EpochTrained(2, 1.25, halves, halves, 0.5, True).event(FoldRun("cross", 3, 1, 0))
    assert event == EpochDone("cross", 3, 1, 0, 2, 1.25, halves, halves, 0.5, True)
    assert from_json(to_json(event)) == event
