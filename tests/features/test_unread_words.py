"""What a text encoder does not read of a corpus is counted and named."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import transformers

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import HalfText, TextReading
from study.features.spec import HALF, EncoderSpec
from study.features.unread_words import unread_words
from study.modalities import AUDIO, TEXT

TinyEncoder = Callable[[str], Path]
LIMIT = 40  # of the tiny encoders, special tokens included


def corpus_of(texts: Sequence[str]) -> Corpus:
    said = (Utterance(f"u{n}", Path(f"{n}.wav"), text, "sad", "s", "g") for n, text in enumerate(texts))
    return Corpus("c", ("sad",), tuple(said))


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_text_is_cut_where_the_encoder_s_limit_says_and_no_shorter(tiny_encoder: TinyEncoder, family: str) -> None:
    encoder = TEXT.open(EncoderSpec(str(tiny_encoder(family))))
    for n_words in (1, LIMIT - 2, LIMIT - 1, 280):
        text = " ".join(["dog"] * n_words)
        (kept, _) = encoder.encode([text])[0]
        assert encoder.reading(text) == TextReading(n_words, 0, n_words - len(kept))  # type: ignore[attr-defined]


def test_roberta_s_two_positions_less_are_counted(tiny_encoder: TinyEncoder) -> None:
    encoder = TEXT.open(EncoderSpec(str(tiny_encoder("roberta"))))
    text = "a" * 60
    assert encoder.reading(text) == TextReading(60, 0, 60 - len(encoder.encode([text])[0][0]))  # type: ignore[attr-defined]


def test_texts_that_are_cut_are_counted_and_named(tiny_encoder: TinyEncoder) -> None:
    encoder = TEXT.open(EncoderSpec(str(tiny_encoder("bert")), dtype=HALF))
    assert isinstance(encoder, HalfText)
    found = unread_words(corpus_of(["hello dog", "", " ".join(["dog"] * 280), " ".join(["cat"] * 38)]), encoder)
    expected = "text by tiny-bert: 1 of 3 texts is longer than it reads, and 86% of their tokens are cut off (u2)"
    assert list(found.notes()) == [expected]
    (problem,) = found.problems()
    assert (problem.message, problem.fatal) == ("u2 has 280 tokens, of which tiny-bert does not read 242", False)
    many = unread_words(corpus_of([" ".join(["dog"] * 50)] * 12), encoder)
    (note,) = many.notes()
    assert note.endswith("(u0, u1, u2, u3, u4, u5, u6, u7, u8, u9, ...)")
    assert len(list(many.problems())) == 12


@pytest.mark.parametrize(("n_unknown", "said"), [(0, False), (3, False), (4, True), (100, True)])
def test_more_than_three_percent_of_unknown_words_are_said(
    tiny_encoder: TinyEncoder, n_unknown: int, said: bool
) -> None:
    encoder = TEXT.open(EncoderSpec(str(tiny_encoder("bert"))))
    texts = ["ж"] * n_unknown + ["dog"] * (100 - n_unknown)
    notes = list(unread_words(corpus_of(texts), encoder).notes())
    assert [f"{n_unknown}% of the corpus's tokens are not in its vocabulary" in note for note in notes] == [True] * said


def test_an_encoder_without_a_vocabulary_reads_everything() -> None:
    assert list(unread_words(corpus_of(["ж " * 2000]), TEXT.open(EncoderSpec("hash"))).notes()) == []
    assert AUDIO.unread is None


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_folder_without_its_tokenizer_s_files_is_refused(
    tiny_encoder: TinyEncoder, tmp_path: Path, family: str
) -> None:
    folder = Path(shutil.copytree(tiny_encoder(family), tmp_path / "own"))
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    with pytest.raises(UserError, match=r"put the model's own tokenizer files there|its tokenizer cannot be read"):
        TEXT.open(EncoderSpec(str(folder)))


@pytest.mark.parametrize(("known", "is_taken"), [(270, True), (269, False)])
def test_a_tokenizer_of_a_smaller_vocabulary_is_another_model_s(
    tiny_encoder: TinyEncoder, tmp_path: Path, known: int, is_taken: bool
) -> None:
    folder = Path(shutil.copytree(tiny_encoder("bert"), tmp_path / "own"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: number for word, number in vocabulary.items() if number < known}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert len(transformers.AutoTokenizer.from_pretrained(folder)) == known
    if is_taken:
        TEXT.open(EncoderSpec(str(folder)))
    else:
        with pytest.raises(UserError, match="has 269 tokens where the model knows 300, so it is another model's; put"):
            TEXT.open(EncoderSpec(str(folder)))
