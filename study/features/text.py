"""Pretrained text encoders: BERT, RoBERTa and whatever else transformers loads as an encoder of tokens."""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoTokenizer

from study.errors import UserError
from study.features.encoder import TextReading
from study.features.huggingface import frozen_encoder, loaded, model_folder, model_identity
from study.features.layers import Layers
from study.features.model_faults import encoding_fault
from study.features.sentence_pooling import SentencePooling, sentence_pooling
from study.features.spec import OUTPUT

BATCH = 16
# The length that BERT and its relatives were trained on, for a model that does not state its own.
USUAL_MAX_TOKENS = 512
# Of a model's vocabulary, the least share that its tokenizer has: published models leave a few rows unused, so that
# their number is round (T5 0.1 %, DeBERTa-v3 0.1 %, ModernBERT 0.2 %).
COVERED = 0.9


def open_text_model(spec: str, layers: Sequence[str], trust_remote_code: bool) -> "TextModel":
    """The text encoder in the folder, or of the hub id, `spec`; its weights are read at first use.

    Its token vectors are `layers` side by side.

    Raises:
        UserError: no such model or layer, or files that are not a text encoder whose tokenizer frames every text with
            special tokens.
    """
    folder = model_folder(spec)
    config, tokenizer = loaded(
        spec,
        folder,
        "a text encoder",
        lambda: (
            AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code),
            AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code),
        ),
    )
    if getattr(config, "hidden_size", None) is None:
        raise UserError(
            f"expected a text encoder in {spec!r}, found a {config.model_type} model, which is several; pass its text "
            "half, saved as a model of its own, or another text encoder"
        )
    _require_vocabulary(spec, config, tokenizer)
    # An empty text still needs a token, and a batch needs padding.
    if not tokenizer("")["input_ids"] or tokenizer.pad_token_id is None:
        raise UserError(
            f"a text encoder frames every text with special tokens and can pad it, the tokenizer of {spec!r} "
            f"does not; pass an encoder such as BERT or RoBERTa"
        )
    chosen, pooling = _layers(spec, layers, config), sentence_pooling(spec, folder)
    return TextModel(spec, folder, config, tokenizer, chosen, pooling, trust_remote_code)


def _require_vocabulary(spec: str, config: Any, tokenizer: Any) -> None:
    """Make sure that the tokenizer knows the model's words: without its files, transformers makes one of few or none.

    Raises:
        UserError: it does not.
    """
    known, needed = len(tokenizer), getattr(config, "vocab_size", None) or 0
    if known <= len(tokenizer.all_special_ids):
        fault = "has no vocabulary, so every word would be unknown"
    elif known < COVERED * needed:
        fault = f"has {known:,} tokens where the model knows {needed:,}, so it is another model's"
    else:
        return
    raise UserError(
        f"the tokenizer of {spec!r} {fault}; put the model's own tokenizer files there "
        "(`AutoTokenizer.from_pretrained(ID).save_pretrained(FOLDER)`)"
    )


class TextModel:
    """Hidden states of a frozen text encoder.

    Token vectors leave out the special tokens, unless a text has no others. The sentence vector is the state
    of the classification token where the model puts one first, else the mean of the token vectors; of a model of
    sentence-transformers, it is what that declares. Texts longer than the model's limit are cut there.
    """

    def __init__(
        self,
        spec: str,
        folder: Path,
        config: Any,
        tokenizer: Any,
        layers: Layers,
        pooling: SentencePooling | None,
        trust_remote_code: bool,
    ) -> None:
        """Takes what is in `folder`."""
        self._spec, self._folder, self._trust, self._pooling = spec, folder, trust_remote_code, pooling
        self._config, self._tokenizer, self._layers = config, tokenizer, layers
        # The tokenizer changes its own settings during a call and so serves one thread at a time.
        self._lock = threading.Lock()
        self.dim: int = config.hidden_size * layers.width

    @cached_property
    def identity(self) -> Mapping[str, object]:
        """The model by name and by the digest of its files, the layers, the arithmetic, and a pooling that it has."""
        pooling = {} if self._pooling is None else self._pooling.identity
        return model_identity(self._spec, self._folder, self._layers.identity) | pooling

    def load(self) -> None:
        """Reads the weights, and encodes a text.

        Raises:
            UserError: the folder's weights are not those of its configuration, or not those of an encoder of texts.
        """
        try:
            found = self.encode([""])[0][0].shape[1]
        except UserError:
            raise
        except Exception as error:  # of the model's code, for whatever its files have
            raise encoding_fault(repr(self._spec), "an empty text", error) from error
        if found != self.dim:
            raise UserError(
                f"a token is {self.dim} values by the configuration of {self._spec!r}, and the model makes {found}; "
                "choose another layer or encoder"
            )

    @cached_property
    def _model(self) -> torch.nn.Module:
        return frozen_encoder(self._spec, self._folder, "a text encoder", self._trust)

    def encode(self, texts: Sequence[str]) -> list[tuple[Float[Tensor, "tokens dim"], Float[Tensor, " dim"]]]:
        """For each text its token vectors, at least one, and its sentence vector; computed in sorted batches."""
        encoded = [self._tokens(text) for text in texts]
        by_length = sorted(range(len(texts)), key=lambda index: len(encoded[index][0]))
        vectors: dict[int, tuple[Tensor, Tensor]] = {}
        for start in range(0, len(texts), BATCH):
            batch = by_length[start : start + BATCH]
            states = self._states([encoded[index][0] for index in batch])
            for index, state in zip(batch, states, strict=True):
                vectors[index] = self._split(state, *encoded[index])
        return [vectors[index] for index in range(len(texts))]

    def reading(self, text: str) -> TextReading:
        """How much of a text the model gets to read; special tokens are left out."""
        with self._lock:
            found = self._tokenizer(text, return_special_tokens_mask=True, verbose=False)
        special = sum(found["special_tokens_mask"])
        unknown = found["input_ids"].count(self._tokenizer.unk_token_id)
        total = len(found["input_ids"])
        return TextReading(total - special, unknown, max(0, total - self.max_tokens))

    def _tokens(self, text: str) -> tuple[Int[Tensor, " tokens"], Bool[Tensor, " tokens"]]:
        """Token ids, and which of them are special."""
        with self._lock:
            found = self._tokenizer(text, truncation=True, max_length=self.max_tokens, return_special_tokens_mask=True)
        return torch.tensor(found["input_ids"]), torch.tensor(found["special_tokens_mask"]).bool()

    @cached_property
    def max_tokens(self) -> int:
        """The longest text that it reads, special tokens included; the rest is cut."""
        positions = getattr(self._config, "max_position_embeddings", USUAL_MAX_TOKENS)
        table = getattr(getattr(self._model, "embeddings", None), "position_embeddings", None)
        # RoBERTa counts positions from one past its padding index, so it has two fewer than it states.
        unused = getattr(table, "padding_idx", None)
        limit = positions if unused is None else positions - unused - 1
        own = self._pooling and self._pooling.max_tokens
        return int(min(self._tokenizer.model_max_length, limit, own or limit))

    @torch.inference_mode()
    def _states(self, ids: list[Int[Tensor, " tokens"]]) -> list[Float[Tensor, "tokens dim"]]:
        model = self._model
        device = next(model.parameters()).device
        padded = pad_sequence(ids, batch_first=True, padding_value=self._tokenizer.pad_token_id)
        mask = pad_sequence([torch.ones_like(each) for each in ids], batch_first=True)
        output = model(
            input_ids=padded.to(device),
            attention_mask=mask.to(device),
            output_hidden_states=self._layers.need_hidden_states,
        )
        states = self._layers.of(output).cpu()
        if states.shape[:2] != padded.shape:
            raise UserError(
                f"a text encoder gives a vector for every token, {self._spec!r} gives {states.shape[1]} for "
                f"{padded.shape[1]}; choose another layer or encoder"
            )
        return [state[: len(each)] for state, each in zip(states, ids, strict=True)]

    def _split(
        self, state: Float[Tensor, "tokens dim"], ids: Int[Tensor, " tokens"], special: Bool[Tensor, " tokens"]
    ) -> tuple[Float[Tensor, "words dim"], Float[Tensor, " dim"]]:
        tokens = state if bool(special.all()) else state[~special]
        if self._pooling is not None:
            return tokens, self._pooling.of(state, self._layers.width)
        has_class_token = int(ids[0]) == self._tokenizer.cls_token_id
        return tokens, state[0] if has_class_token else tokens.mean(0)


def _layers(spec: str, layers: Sequence[str], config: Any) -> Layers:
    """What `layers` stand for in the model of `config`; some configurations do not say how many layers there are.

    Raises:
        UserError: no such layers.
    """
    n_layers: int | None = getattr(config, "num_hidden_layers", None)
    if n_layers is None and set(layers) != {OUTPUT}:
        raise UserError(
            f"the configuration of {spec!r}, a {config.model_type} model, does not say how many layers it has, found "
            f"layer {', '.join(layers)}; leave it out"
        )
    return Layers.chosen(layers, n_layers or 0)
