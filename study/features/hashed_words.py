"""Text features without weights: every word is a fixed pseudo-random vector that similar spellings share."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

DIM = 128
# An inner apostrophe belongs to its word; question and exclamation marks are heard.
WORD = re.compile(r"\w+(?:['’]\w+)*|[?!]")
SHORTEST_GRAM, LONGEST_GRAM = 3, 5
LONGEST_WORD = 100


class HashedWords:
    """Word vectors from hashes of the word and of its character 3- to 5-grams; their mean for the sentence.

    A text without words has one token, all zeros.

    Source: the sum over character n-grams is that of Bojanowski et al. (2017), "Enriching word vectors with
    subword information", section 3.2; here the vectors are random signs (a random projection) and not learnt.
    """

    dim = DIM

    @property
    def identity(self) -> Mapping[str, object]:
        """The name and version of these features."""
        return {"name": "hash", "version": 1, "layer": "last", "dtype": "float32"}

    def load(self) -> None:
        """Does nothing: there are no weights."""

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text the vectors of its words, in order, and their mean."""
        return [_text_vectors(text) for text in texts]


def _text_vectors(text: str) -> tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]:
    words = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    vectors = [_word_vector(word) for word in words] or [np.zeros(DIM, dtype=np.float32)]
    tokens = torch.from_numpy(np.stack(vectors))
    return tokens, tokens.mean(0)


@lru_cache(maxsize=50_000)
def _word_vector(word: str) -> np.ndarray:
    """A vector of unit variance: half from the word itself, half from its n-grams."""
    grams = list(_grams(word))
    spelling = np.sum([_signs(gram) for gram in grams], axis=0) / np.sqrt(len(grams))
    vector: np.ndarray = ((_signs(word) + spelling) / np.sqrt(2)).astype(np.float32)
    return vector


def _grams(word: str) -> Iterator[str]:
    # Longer than any word; keeps a megabyte without a space from filling memory.
    marked = f"<{word[:LONGEST_WORD]}>"
    for size in range(SHORTEST_GRAM, LONGEST_GRAM + 1):
        for start in range(len(marked) - size + 1):
            yield marked[start : start + size]


def _signs(text: str) -> np.ndarray:
    """One random sign per dimension: the bits of a hash, the same on every machine and in every process."""
    bits = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=DIM // 8).digest(), dtype=np.uint8)
    return np.unpackbits(bits).astype(np.float64) * 2 - 1
