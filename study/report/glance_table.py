"""The table of all systems at a glance, as text."""

from __future__ import annotations

from collections.abc import Iterator

from study.plurals import counted
from study.record.search_variance import FEWEST_CONFIGS
from study.report.formats import NOTHING, format_epoch_seconds, format_range, format_size, format_spread
from study.report.glance_view import GlanceRow, GlanceView
from study.report.letter_groups import letters_of

# What stands beside name, modalities and score.
HEADINGS = ("95 % interval", "group", "parameters", "an epoch", "epochs in all")


def glance_rows(glance: GlanceView) -> Iterator[list[str]]:
    """As text, for each system: its name, what it reads, its test score, and what HEADINGS name."""
    for row in glance.rows:
        group = letters_of(row.name, glance.groups) or NOTHING
        interval = format_range(row.test.low, row.test.high)
        yield [row.name, row.reads, format_spread(row.test), interval, group, *costs(row)]


def costs(row: GlanceRow) -> list[str]:
    """As text: the parameters of a system's model, the seconds of an epoch, and the epochs of its searches."""
    epochs = f"{row.epochs:,}" if row.epochs else NOTHING
    return [format_size(row.n_parameters), format_epoch_seconds(row.epoch_seconds), epochs]


def glance_sentence(glance: GlanceView) -> str:
    """What the letters of groups mean, or why there are none."""
    if not glance.n_pairs:
        return "No group is drawn: one division has no folds to test over."
    if not glance.groups:
        return f"No group is drawn: no pair has a verdict, which needs {FEWEST_CONFIGS} configurations of each system."
    return (
        f"Systems that share a letter are not told apart. Of {counted(glance.n_pairs, 'pair')} of tuned systems, "
        f"{glance.n_confirmed} differ after Holm over all of them. Not told apart is not equal."
    )
