"""Compares a corpus with the counts that are known of its full release: a checksum of reader and copy."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from study.corpus.utterance import Utterance
from study.plurals import counted

NAMED = 3


def undivided(utterance: Utterance) -> str:
    """The part of every utterance of a release that is counted as a whole."""
    return ""


@dataclass(frozen=True)
class KnownCounts:
    """How many utterances of each label a full release has, before labels are chosen, merged or left out.

    Attributes:
        counts: by part (a session, a split; "" if the release is counted as a whole) and label. Labels that are not
            named are not compared.
        part: the part that an utterance is in. Parts without any utterance are not compared.
        speakers: how many speakers the whole release has; None if that is not known.
    """

    counts: Mapping[str, Mapping[str, int]]
    part: Callable[[Utterance], str] = undivided
    speakers: int | None = None

    def note(self, utterances: Sequence[Utterance]) -> str:
        """One sentence on whether the counts are the known ones."""
        different = self.differences(utterances)
        if different:
            rest = f" and {len(different) - NAMED} more" if len(different) > NAMED else ""
            return f"label counts differ from those known of the full release: {', '.join(different[:NAMED])}{rest}"
        parts = self._parts(utterances)
        total = f"{sum(sum(self.counts[part].values()) for part in parts):,} utterances"
        absent = "" if len(parts) == len(self.counts) else f" of {', '.join(parts)}"
        return f"label counts are those known of the full release ({total}{absent})"

    def differences(self, utterances: Sequence[Utterance]) -> list[str]:
        """What differs, such as "test happy 401 instead of 402"."""
        return [*self._label_differences(utterances), *self._speaker_differences(utterances)]

    def _label_differences(self, utterances: Sequence[Utterance]) -> Iterator[str]:
        found = Counter((self.part(utterance), utterance.label) for utterance in utterances)
        for part in self._parts(utterances):
            for label, n in self.counts[part].items():
                if found[part, label] != n:
                    yield f"{part} {label} {found[part, label]:,} instead of {n:,}".lstrip()

    def _speaker_differences(self, utterances: Sequence[Utterance]) -> Iterator[str]:
        n = len({utterance.speaker for utterance in utterances})
        if self.speakers not in (None, n) and len(self._parts(utterances)) == len(self.counts):
            yield f"{counted(n, 'speaker')} instead of {self.speakers}"

    def _parts(self, utterances: Sequence[Utterance]) -> list[str]:
        present = {self.part(utterance) for utterance in utterances}
        return [part for part in self.counts if part in present]
