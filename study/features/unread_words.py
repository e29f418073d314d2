"""What a text encoder does not read of a corpus: words that it does not know, and the ends of long texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from study.corpus.utterance import Corpus, Problem, Utterance
from study.features.encoder import TextEncoder, TextReading, reading_of
from study.plurals import counted

# From this share of unknown tokens on, the tokenizer is probably of another model or another language.
UNKNOWN_SHARE = 0.03
NAMED = 10


@dataclass(frozen=True)
class UnreadWords:
    """How an encoder named `encoder` reads each utterance that has words."""

    encoder: str
    readings: tuple[tuple[Utterance, TextReading], ...]

    def notes(self) -> Iterator[str]:
        """A sentence on unknown tokens, if they are many, and one on texts that are cut, if there are any."""
        if unknown := self._unknown():
            yield unknown
        if cut := self._cut():
            share = sum(each.cut for _, each in cut) / sum(each.tokens for _, each in cut)
            ids, more = ", ".join(u.id for u, _ in cut[:NAMED]), ", ..." if len(cut) > NAMED else ""
            verb = "is" if len(cut) == 1 else "are"
            yield (
                f"text by {self.encoder}: {len(cut):,} of {counted(len(self.readings), 'text')} {verb} longer than it "
                f"reads, and {share:.0%} of their tokens are cut off ({ids}{more})"
            )

    def problems(self) -> Iterator[Problem]:
        """A remark on every text that is cut, and one on unknown tokens if they are many."""
        for utterance, reading in self._cut():
            message = f"{utterance.id} has {reading.tokens} tokens, of which {self.encoder} does not read {reading.cut}"
            yield Problem(utterance.where, message, False, "texts that the encoder cuts off")
        if unknown := self._unknown():
            yield Problem("text", unknown, False, "unknown words")

    def _cut(self) -> list[tuple[Utterance, TextReading]]:
        return [(utterance, reading) for utterance, reading in self.readings if reading.cut]

    def _unknown(self) -> str:
        tokens, unknown = (sum(getattr(each, what) for _, each in self.readings) for what in ("tokens", "unknown"))
        if unknown <= UNKNOWN_SHARE * tokens:
            return ""
        return (
            f"text by {self.encoder}: {unknown / tokens:.0%} of the corpus's tokens are not in its vocabulary and are "
            "read as one unknown word; choose an encoder of this language, or correct the texts"
        )


def unread_words(corpus: Corpus, encoder: TextEncoder) -> UnreadWords:
    """How `encoder` reads the words of a corpus; its weights are loaded if its limit depends on them."""
    read = reading_of(encoder)
    texts = [utterance for utterance in corpus.utterances if utterance.words] if read else []
    return UnreadWords(str(encoder.identity["name"]), tuple((u, read(u.words)) for u in texts if read))
