"""What models of a study reach on other corpora, as its report shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from study.plurals import counted
from study.record.transfer import Scored, Transfer
from study.report.formats import NOTHING, format_score
from study.training.metrics import METRICS

HEADINGS = ("variant", "corpus", "utterances", "scored among", *METRICS)
MODELS = {"folds": "", "refit": " (refit)"}


@dataclass(frozen=True)
class TransferView:
    """The rows on other corpora that are of the study's present selection; `outdated` are the models of the others."""

    rows: tuple[Transfer, ...]
    outdated: tuple[str, ...]


def transfer_view(rows: Sequence[Transfer], ledger: str) -> TransferView | None:
    """The view of rows on other corpora, in a study whose ledger has this digest; None without any."""
    if not rows:
        return None
    outdated = dict.fromkeys(f"{row.search} on {row.corpus}" for row in rows if row.ledger != ledger)
    return TransferView(tuple(row for row in rows if row.ledger == ledger), tuple(outdated))


def transfer_rows(view: TransferView) -> Iterator[list[str]]:
    """As text, under HEADINGS: one row among all classes, and one among those that occur where some do not."""
    for row in view.rows:
        head = [row.search + MODELS.get(row.weights, f" ({row.weights})"), row.corpus, f"{row.n_utterances:,}"]
        yield [*head, "all classes", *_cells(row.scores)]
        if row.scores != row.shared:
            yield [*head, ", ".join(row.classes), *_cells(row.shared)]


def transfer_sentences(view: TransferView) -> Iterator[str]:
    """What the rows are, what they leave out, and which are outdated."""
    yield (
        "The models of the study on corpora that they were not trained on, with 95 % intervals over resampled speakers "
        "(or groups, where a corpus has no speakers). Nothing was chosen by these scores."
    )
    for row in view.rows:
        if left := row.n_all - row.n_utterances:
            everyone = counted(row.n_all, "utterance")
            yield f"Of {row.corpus}, {left:,} of {everyone} are left out: another label, or a recording without result."
        if row.n_equal:
            yield f"Of {row.corpus}, {counted(row.n_equal, 'utterance')} were in the training corpus: no test of them."
    if view.outdated:
        yield f"The study has gone on since {', '.join(view.outdated)} was evaluated: evaluate again."


def _cells(scores: Mapping[str, Scored]) -> Iterator[str]:
    return (_cell(*scores[metric]) for metric in METRICS)


def _cell(value: float, low: float | None, high: float | None) -> str:
    return f"{format_score(value)} ({NOTHING if low is None else f'{format_score(low)} to {format_score(high)}'})"
