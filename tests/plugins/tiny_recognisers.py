"""Tiny speech recognisers of random weights, saved as any other: wav2vec 2.0 with a CTC head, and Whisper."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import transformers

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WIDTH = 16


@pytest.fixture(scope="session")
def tiny_recogniser(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The function that gives the folder of a tiny recogniser: `tiny_recogniser("ctc")` or "whisper". Read only."""

    @cache
    def saved(family: str) -> Path:
        import torch

        folder = tmp_path_factory.mktemp("recognisers") / f"tiny-{family}"
        folder.mkdir()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            (_save_ctc if family == "ctc" else _save_whisper)(folder)
        return folder

    return saved


def _save_ctc(folder: Path) -> None:
    import transformers

    vocabulary = {token: index for index, token in enumerate(["<pad>", "<unk>", "|", *LETTERS])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    transformers.Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), bos_token=None, eos_token=None, word_delimiter_token="|"
    ).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(
            vocab_size=len(vocabulary),
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=WIDTH,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            pad_token_id=0,
        )
    ).save_pretrained(folder)


def _save_whisper(folder: Path) -> None:
    import transformers

    plain = [*LETTERS, *(f"Ġ{letter}" for letter in LETTERS)]
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    stamps = [f"<|{second * 0.02:.2f}|>" for second in range(1501)]
    vocabulary = {token: index for index, token in enumerate([*plain, *special, *stamps])}
    tokenizer = transformers.WhisperTokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    end = vocabulary["<|endoftext|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(vocabulary),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH,
        max_target_positions=12,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end + 1,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = _generation(end)
    model.save_pretrained(folder)


def _generation(end: int) -> "transformers.GenerationConfig":
    import transformers

    return transformers.GenerationConfig(
        max_length=10,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end + 1,
        no_timestamps_token_id=end + 2,
        is_multilingual=False,
        begin_suppress_tokens=[end],
        max_initial_timestamp_index=50,
        prev_sot_token_id=end + 1,
    )
