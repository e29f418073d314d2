"""What a command does with the problems of a corpus: it stops at those that are fatal, and says the others."""

from __future__ import annotations

from collections.abc import Sequence

from study.corpus.options import CorpusOptions
from study.corpus.utterance import Problem
from study.errors import UserError


def notes_on(problems: Sequence[Problem], options: CorpusOptions) -> tuple[str, ...]:
    """One line for each kind of remark: its first problem, and how many more there are.

    Raises:
        UserError: a problem is fatal; the line has the first of them and the number of the others.
    """
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        more = f"; and {len(fatal) - 1:,} more" if len(fatal) > 1 else ""
        raise UserError(f"{fatal[0]}{more}; run `{options.check_command}` for all")
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return tuple(
        f"{first}{f' (and {len(others):,} more, see `ser-study check`)' if others else ''}"
        for first, *others in kinds.values()
    )
