"""What a modality is: everything that extraction, options and messages need to know of it, in one row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.features.encoder import Encoded, Encoder
from study.features.spec import FULL, OUTPUT, EncoderSpec
from study.features.unread_words import UnreadWords

E = TypeVar("E", bound=Encoder)


@dataclass(frozen=True, kw_only=True)
class Modality(Generic[E]):
    """One modality: how its features are made, from what, and what its lack is called.

    Attributes:
        name: "audio", "text", ...; what variants call its frames.
        default_encoder: for real corpora.
        demo_encoder: for the demo corpus; needs no download.
        built_in: encoders without weights, by name.
        pretrained: opens an encoder with weights, given its name, the layers that its frames are, side by side, and
            whether it may run code of its own; the weights are not read yet.
        in_half: the encoder with its matrix products in bfloat16.
        at_rate: the encoder at so many frames per second; None where frames are not timed.
        encode: features of a block's utterances, one by one in their order; a UserError, not raised, for each that
            has none.
        contents: by utterance id, in the corpus's order, a digest of what the utterance's features are computed from,
            and of how the encoder reads it where it reads some otherwise than the rest. Utterances that lack the
            modality are not among them.
        lack: what a corpus lacks for this modality and what to do about it; empty if it can be studied.
        is_in: whether an utterance has the modality.
        optional: whether utterances of a studied corpus may lack it. Models learn what stands for it.
        unread: what an encoder does not read of a corpus; None where it reads all.
        block: utterances that are encoded and saved together. A kill loses at most one block per thread: with a
            base-size model, 15 s of work.
        amount: how much there is to encode in an utterance, in the unit of the rate.
        rate_unit: of the rate of extraction, which is amount per second: "x real time" for seconds of audio.
        noun: what an utterance has none of, where it lacks the modality.
        file: what to give for a prediction where an utterance has no file of this modality; empty where it needs none.
    """

    name: str
    default_encoder: str
    demo_encoder: str
    built_in: Mapping[str, Callable[[], E]]
    pretrained: Callable[[str, Sequence[str], bool], E]
    in_half: Callable[[E], E]
    at_rate: Callable[[E, float], E] | None = None
    encode: Callable[[E, Sequence[Utterance]], Iterator[Encoded | UserError]]
    contents: Callable[[Corpus, E], dict[str, str]]
    lack: Callable[[Corpus], str]
    is_in: Callable[[Utterance], bool]
    optional: bool = False
    unread: Callable[[Corpus, E], UnreadWords] | None = None
    block: int
    amount: Callable[[Utterance], float]
    rate_unit: str
    noun: str
    file: str = ""

    def open(self, spec: EncoderSpec, trust_remote_code: bool = False) -> E:
        """The encoder that `spec` names, its weights not yet read.

        A name that is not built in is a local model folder or a model of the Hugging Face hub, which is downloaded
        when it is not in the local cache. `trust_remote_code` allows a model folder to run its own Python code.

        Raises:
            UserError: no such model, no way to reach it, files that are not an encoder of this modality, no such
                layer, a frame rate that averaging two or four frames does not give, or a precision for an encoder
                without weights.
        """
        return self.open_layers([spec], trust_remote_code)

    def open_layers(self, specs: Sequence[EncoderSpec], trust_remote_code: bool = False) -> E:
        """The encoder whose frames are those of `specs` side by side, from one pass.

        `specs` differ in nothing but the layer. The `layer` of the encoder's identity lists those of several.

        Raises:
            UserError: see `open`.
        """
        spec, layers = specs[0], [each.layer for each in specs]
        own = spec.name in self.built_in
        encoder = self._built_in(spec, layers) if own else self._pretrained(spec, layers, trust_remote_code)
        if spec.rate_hz is None:
            return encoder
        if self.at_rate is None:
            raise UserError(f"frames of {self.name} are not timed, found {spec.rate_hz:g} Hz; leave the rate out")
        return self.at_rate(encoder, spec.rate_hz)

    def require(self, corpus: Corpus, variants: Sequence[str]) -> None:
        """Make sure that a corpus has what `variants`, which take this modality, need of it.

        Raises:
            UserError: it has not.
        """
        if lack := self.lack(corpus):
            raise UserError(f"variant {', '.join(variants)} {lack}")

    def missing(self, corpus: Corpus) -> tuple[str, ...]:
        """The ids of the utterances that lack this modality, in the corpus's order; none where all need it."""
        return tuple(u.id for u in corpus.utterances if not self.is_in(u)) if self.optional else ()

    def _built_in(self, spec: EncoderSpec, layers: Sequence[str]) -> E:
        if other := [layer for layer in layers if layer != OUTPUT]:
            raise UserError(
                f"{spec.name} has no layers to choose from, found layer {other[0]!r}; leave it out, or write "
                f"{spec.name}:{OUTPUT} beside encoders that have"
            )
        if spec.dtype != FULL:
            raise UserError(
                f"--encoder-dtype {spec.dtype} is for encoders with weights, and {spec.name} has none; leave the "
                "option out, or choose another encoder"
            )
        return self.built_in[spec.name]()

    def _pretrained(self, spec: EncoderSpec, layers: Sequence[str], trust_remote_code: bool) -> E:
        encoder = self.pretrained(spec.name, layers, trust_remote_code)
        return encoder if spec.dtype == FULL else self.in_half(encoder)
