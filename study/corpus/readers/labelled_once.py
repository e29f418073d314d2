"""Utterances that a table labels twice: the first label stands, and the others are problems."""

from collections.abc import Iterable

from study.corpus.quoting import quoted
from study.corpus.utterance import Problem, Utterance


def labelled_once(found: Iterable[Utterance | Problem], unit: str) -> tuple[list[Utterance], list[Problem]]:
    """Each utterance at its first place, and the problems, with one for every later place of an id.

    `unit` names what holds a label in the file: "rows" or "lines".
    """
    first: dict[str, str] = {}
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    for each in found:
        if isinstance(each, Problem):
            problems.append(each)
        elif each.id in first:
            name = quoted(each.id)[1:-1]  # an id can hold any character; without the quotes, as other lines name it
            law = f"{name} is labelled twice, first at {first[each.id]}; remove one of the {unit}"
            problems.append(Problem(each.where, law, True, "duplicate ids"))
        else:
            first[each.id] = each.where
            utterances.append(each)
    return utterances, problems
