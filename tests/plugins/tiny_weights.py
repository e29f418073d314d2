"""Encoders of the real architectures with tiny random weights, saved as transformers saves them."""

from collections.abc import Iterable
from pathlib import Path

import torch
import transformers

LAYERS = 3
WIDTH = 16
SPEECH_FAMILIES = ("wav2vec2", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec-audio", "whisper")
TEXT_FAMILIES = ("bert", "roberta", "distilbert")
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
        elif family in SPEECH_FAMILIES:
            _save_waveform_encoder(family, folder)
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
