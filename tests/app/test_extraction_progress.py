"""What is shown of an extraction: lines where there is no terminal, and nothing where there is nothing to extract."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from study.app.extraction_progress import ExtractionView, extraction_progress, line_of
from study.features.extract import Progress
from study.features.turn import Waiting

HALF = Progress(60, 100, 20, 600.0, 1000.0, 200.0, 40.0, "audio by [old] logmel", "s/s")


def shown(use: Callable[[ExtractionView], object], terminal: bool = False, width: int = 120) -> str:
    written = io.StringIO()
    with extraction_progress(Console(file=written, width=width, force_terminal=terminal)) as view:
        use(view)
    return written.getvalue()


def test_a_line_says_what_is_done_how_fast_and_how_long_it_still_takes() -> None:
    """400 s of audio in 40 s, 400 s to go."""
    line = shown(lambda view: (view(HALF), view.say()))
    assert line == "audio by [old] logmel: 60 of 100 utterances · 10 s/s, about 0:40 left\n"


def test_machines_are_shown_with_their_rates_and_many_by_the_slowest_and_the_fastest() -> None:
    few = replace(HALF, machines={"m2": 100.0, "m1 (no GPU)": 300.0})
    line = shown(lambda view: (view(few), view.say()))
    assert line.endswith(" · 10 s/s, about 0:40 left · on m1 (no GPU) 7.5, m2 2.5\n")
    one = replace(HALF, machines={"m1": 400.0})
    assert line_of(one).endswith(" left · on m1"), "its rate is that of the whole"
    many = replace(HALF, machines={f"m{number}": 40.0 * number for number in range(1, 31)})
    assert line_of(many).endswith(" left · on 30 machines, 1.0 (m1) to 30 (m30)")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_of_any_width_shows_counts_rate_and_time_left(width: int) -> None:
    progress = replace(HALF, what="audio by microsoft/wavlm-base-plus", machines={f"node-{n}": 100.0 for n in range(4)})
    text = shown(lambda view: view(progress), terminal=True, width=width)
    assert "60 of 100 utterances" in text
    assert "10 s/s, about 0:40 left · on node-0 2.5, node-1 2.5" in text


def test_before_the_first_block_the_time_left_is_unknown() -> None:
    begun = Progress(20, 100, 20, 200.0, 1000.0, 200.0, 1.0, "text by bert", "utterances/s")
    assert shown(lambda view: (view(begun), view.say())) == (
        "text by bert: 20 of 100 utterances · time left unknown yet\n"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_shown_where_nothing_is_extracted(terminal: bool) -> None:
    assert shown(lambda view: view.say(), terminal) == ""


def test_a_wait_is_shown_at_once_and_not_at_every_look() -> None:
    waiting = Waiting("audio by logmel", "study [a] (process 7 on host)", 0.1, 3, 10)
    line = "waiting for audio by logmel: study [a] (process 7 on host) extracts the same, 3 of 10 utterances done"
    assert shown(lambda view: (view(waiting), view(waiting))) == f"{line} · 0:00 so far\n"
