"""Encoders of the real architectures with tiny random weights, saved as transformers saves them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import transformers

LAYERS = 3
WIDTH = 16
WAVEFORM_FAMILIES = ("wav2vec2", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec-audio")
TEXT_FAMILIES = ("bert", "roberta", "distilbert", "modernbert", "bart", "mbart", "pegasus")
WORDS = "hello there dog cat house angry happy sad what a day this is not good very come here now".split()
# Whisper's window is 30 s; one second makes the same cuts visible in a test.
WHISPER_WINDOW_SECONDS = 1
MAX_TOKENS = 40
VOCABULARY = 300


def save_tiny_encoder(family: str, folder: Path) -> None:
    """Saves a tiny encoder of one of the families to `folder`; the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if family == "whisper":
            _save_whisper(folder)
        elif family in WAVEFORM_FAMILIES:
            _save_waveform_encoder(family, folder)
        elif family in OTHER_SPEECH:
            model, extractor = OTHER_SPEECH[family]()
            transformers.AutoModel.from_config(model).save_pretrained(folder)
            extractor.save_pretrained(folder)
        else:
            _save_text_encoder(family, folder)


def _save_waveform_encoder(family: str, folder: Path) -> None:
    config, model = {
        "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        "wav2vec2-layer-norm": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        "hubert": (transformers.HubertConfig, transformers.HubertModel),
        "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
        "data2vec-audio": (transformers.Data2VecAudioConfig, transformers.Data2VecAudioModel),
    }[family]
    # The large models: layer norm throughout, and an attention mask from the extractor.
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True} if family.endswith("layer-norm") else {}
    model(
        config(
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            intermediate_size=2 * WIDTH,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=4 if family == "data2vec-audio" else 16,
            num_conv_pos_embedding_groups=2,
            conv_pos_kernel_size=3,
            **large,
        )
    ).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=bool(large)).save_pretrained(folder)


def _save_whisper(folder: Path) -> None:
    config = transformers.WhisperConfig(
        vocab_size=32,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * WIDTH,
        decoder_ffn_dim=2 * WIDTH,
        max_source_positions=50 * WHISPER_WINDOW_SECONDS,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(chunk_length=WHISPER_WINDOW_SECONDS).save_pretrained(folder)


SIZES = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 2 * WIDTH}
CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
# As halves of a model are sized that has a decoder too.
HALVES = {
    **{"d_model": WIDTH, "encoder_layers": LAYERS, "encoder_attention_heads": 2, "encoder_ffn_dim": 2 * WIDTH},
    **{"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 2 * WIDTH},
}
WITH_DECODERS: dict[str, Any] = {
    "bart": transformers.BartConfig,
    "mbart": transformers.MBartConfig,
    "pegasus": transformers.PegasusConfig,
}
WAVEFORMS = transformers.Wav2Vec2FeatureExtractor
# The configuration and the feature extractor of encoders that AutoModel opens; what they make is in the tests.
OTHER_SPEECH: dict[str, Callable[[], tuple[Any, Any]]] = {
    "wav2vec2-adapter": lambda: (
        transformers.Wav2Vec2Config(**SIZES, **CONVOLUTIONS, add_adapter=True, output_hidden_size=24),
        WAVEFORMS(do_normalize=True, return_attention_mask=True),
    ),
    "sew": lambda: (
        transformers.SEWConfig(**SIZES, **{**CONVOLUTIONS, "conv_dim": (8,) * 13}),
        WAVEFORMS(do_normalize=True),
    ),
    "moonshine": lambda: (
        transformers.MoonshineConfig(
            vocab_size=32, hidden_size=WIDTH, intermediate_size=2 * WIDTH, encoder_num_hidden_layers=LAYERS,
            decoder_num_hidden_layers=1, encoder_num_attention_heads=2, decoder_num_attention_heads=2,
        ),
        WAVEFORMS(do_normalize=False),
    ),
    "wav2vec2-bert": lambda: (
        transformers.Wav2Vec2BertConfig(**SIZES, feature_projection_input_dim=160, output_hidden_size=WIDTH),
        transformers.SeamlessM4TFeatureExtractor(),
    ),
    "parakeet": lambda: (
        transformers.ParakeetCTCConfig(vocab_size=32, encoder_config={**SIZES, "subsampling_conv_channels": 8}),
        transformers.ParakeetFeatureExtractor(),
    ),
    "speech-to-text": lambda: (
        transformers.Speech2TextConfig(vocab_size=32, **HALVES, conv_channels=16),
        transformers.Speech2TextFeatureExtractor(),
    ),
    "qwen2-audio": lambda: (
        transformers.Qwen2AudioEncoderConfig(**HALVES, max_source_positions=50 * WHISPER_WINDOW_SECONDS),
        transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=WHISPER_WINDOW_SECONDS),
    ),
    "spectrogram-transformer": lambda: (
        transformers.ASTConfig(**SIZES, max_length=64, num_mel_bins=128),
        transformers.ASTFeatureExtractor(max_length=64),
    ),
    "clap": lambda: (
        transformers.ClapConfig(
            audio_config={
                "patch_embeds_hidden_size": 4, "hidden_size": 32, "depths": [1] * 4, "num_attention_heads": [2] * 4,
            },
            text_config={**SIZES, "vocab_size": 32},
        ),
        transformers.ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad"),
    ),
}  # fmt: skip


def _save_text_encoder(family: str, folder: Path) -> None:
    sizes = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
    if family == "roberta":
        # Two positions more than tokens, as RoBERTa counts them from its padding index on.
        config = transformers.RobertaConfig(
            **sizes, intermediate_size=2 * WIDTH, max_position_embeddings=MAX_TOKENS + 2, pad_token_id=1
        )
        transformers.RobertaModel(config).save_pretrained(folder)
        _roberta_tokenizer().save_pretrained(folder)
        return
    if family in WITH_DECODERS:
        kind = WITH_DECODERS[family]
        config = kind(
            vocab_size=VOCABULARY, **HALVES, max_position_embeddings=MAX_TOKENS, pad_token_id=1, bos_token_id=0,
            eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2,
        )  # fmt: skip
        transformers.AutoModel.from_config(config).save_pretrained(folder)
        _roberta_tokenizer().save_pretrained(folder)
        return
    if family == "modernbert":
        ids = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
        config = transformers.ModernBertConfig(
            **sizes, **ids, intermediate_size=2 * WIDTH, max_position_embeddings=MAX_TOKENS, local_attention=8
        )
        transformers.ModernBertModel(config).save_pretrained(folder)
        _bert_tokenizer().save_pretrained(folder)
        return
    if family == "bert":
        config = transformers.BertConfig(**sizes, intermediate_size=2 * WIDTH, max_position_embeddings=MAX_TOKENS)
        transformers.BertModel(config).save_pretrained(folder)
    else:
        config = transformers.DistilBertConfig(
            vocab_size=VOCABULARY,
            dim=WIDTH,
            n_layers=LAYERS,
            n_heads=2,
            hidden_dim=32,
            max_position_embeddings=MAX_TOKENS,
        )
        transformers.DistilBertModel(config).save_pretrained(folder)
    _bert_tokenizer().save_pretrained(folder)


def _bert_tokenizer() -> transformers.PreTrainedTokenizerBase:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    return transformers.BertTokenizer(vocab=_whole(dict.fromkeys(pieces)))


def _roberta_tokenizer() -> transformers.PreTrainedTokenizerBase:
    letters = "Ġabcdefghijklmnopqrstuvwxyz?!."
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
    return transformers.RobertaTokenizer(vocab=_whole(pieces), merges=[])


def _whole(pieces: Iterable[str]) -> dict[str, int]:
    """The vocabulary that begins with `pieces`, as large as the models' own."""
    known = list(pieces)
    return {
        piece: index for index, piece in enumerate([*known, *(f"[unused{n}]" for n in range(VOCABULARY - len(known)))])
    }
