"""Recordings and films that are in a corpus under several names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from study.corpus.utterance import Problem, Utterance
from study.plurals import counted

NAMED = 3


def occurring_twice(contents: Iterable[tuple[Utterance, str]], what: str) -> Iterator[Problem]:
    """A remark for each content, given by its digest, that several utterances have; `what` it is: "recording"."""
    alike: dict[str, list[Utterance]] = defaultdict(list)
    for utterance, content in contents:
        alike[content].append(utterance)
    for same in alike.values():
        if len(same) == 1:
            continue
        within = len({utterance.group for utterance in same}) == 1
        named = ", ".join(f"{u.id} " + (f"({u.label})" if within else f"in group {u.group}") for u in same[:NAMED])
        more = " ..." if len(same) > NAMED else ""
        message = f"{counted(len(same), 'utterance')} are the same {what}: {named}{more}; keep one of them"
        yield Problem(same[0].where, message, False, f"{what}s {'twice in a group' if within else 'in two groups'}")
