"""How fast a model folder predicts: `python -m benchmarks.predict`.

Recordings of the demo corpus, given as files: by the encoders without weights, and by encoders of the base
architectures (HuBERT, BERT) with random weights, which cost what trained ones do. Five members, as five folds give.
Beside it, the share of the time that the encoders take.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import machine
from models.build import build
from models.fusion import FusionConfig
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.corpus.utterance import Utterance
from study.features.audio import audio_seconds
from study.features.spec import EncoderSpec
from study.inference.batch import outcomes
from study.inference.ensemble import Member
from study.inference.inputs import Item
from study.inference.model_config import MemberConfig, ModalityConfig, ModelConfig, StreamConfig
from study.inference.model_folder import Model
from study.inference.predictor import Predictor
from study.inference.threads import one_core_each
from study.modalities import MODALITIES
from study.training.scaling import Scaling
from study.variants import VARIANTS

CLASSES, N_MEMBERS = ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise"), 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=60, help="of the demo corpus (60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    facts = machine.describe()
    machine.print_machine(facts)
    every = open_corpus(CorpusOptions(), ("audio", "text")).utterances
    chosen = every[:: max(1, len(every) // parsed.recordings)][: parsed.recordings]
    figures: dict[str, Any] = {"machine": facts}
    with tempfile.TemporaryDirectory() as name:
        base = {"audio": _hubert(Path(name) / "hubert"), "text": _bert(Path(name) / "bert", chosen)}
        for what, specs in (
            ("logmel and hash", {"audio": EncoderSpec("logmel"), "text": EncoderSpec("hash")}),
            ("HuBERT base and BERT base", base),
        ):
            figures[what] = measure(specs, chosen)
            print(what)
            for figure, value in figures[what].items():
                print(f"  {figure:46} {value:10.4g}", flush=True)
    machine.write_json(parsed.json, figures)


def measure(specs: dict[str, EncoderSpec], chosen: Sequence[Utterance]) -> dict[str, float]:
    """Times real time, with models and encoders loaded once, and the encoders' share."""
    predictor = Predictor(model_of(specs))
    predictor.load()
    items = [Item(str(utterance.audio), utterance) for utterance in chosen]
    list(outcomes(predictor, items[:2], 0))  # the first are slower
    begun = time.perf_counter()
    failed = [each.reason for each in outcomes(predictor, items, 0) if each.prediction is None]
    whole = time.perf_counter() - begun
    assert not failed, failed[0]
    begun = time.perf_counter()
    with one_core_each() as threads:
        list(threads.map(predictor.encoders.streams, chosen))
    encoding = time.perf_counter() - begun
    seconds = sum(map(audio_seconds, chosen))
    return {
        "recordings": len(items),
        "seconds of audio": seconds,
        "times real time": seconds / whole,
        "share of the encoders": min(1.0, encoding / whole),
    }


def model_of(specs: dict[str, EncoderSpec]) -> Model:
    """A model folder's content with random members of the published cross-attention."""
    row, config = VARIANTS["cross"], FusionConfig()
    encoders = {name: MODALITIES[name].open(spec) for name, spec in specs.items()}
    dims = {name: encoder.dim for name, encoder in encoders.items()}
    assert row.model is not None
    tensors = {}
    for number in range(N_MEMBERS):
        module = build(row.model, config, dims, {}, len(CLASSES))
        scaling = {name: Scaling(torch.zeros(dim), torch.ones(dim)) for name, dim in dims.items()}
        tensors |= dict(Member(module, scaling).tensors(number))
    known = ModelConfig(
        variant="cross",
        weights="folds",
        classes=CLASSES,
        model=asdict(config),
        recipe={},
        streams={name: StreamConfig(name, dim) for name, dim in dims.items()},
        modalities={name: ModalityConfig(spec, dict(encoders[name].identity)) for name, spec in specs.items()},
        members=tuple(MemberConfig(f"fold {number}", number, 1, 1) for number in range(N_MEMBERS)),
        study={},
        corpus={},
    )
    return Model(known, tensors, {}, "")


def _hubert(folder: Path) -> EncoderSpec:
    transformers.HubertModel(transformers.HubertConfig()).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return EncoderSpec(str(folder))


def _bert(folder: Path, chosen: Sequence[Utterance]) -> EncoderSpec:
    words = sorted({word for utterance in chosen for word in utterance.words.lower().split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    transformers.BertModel(transformers.BertConfig(vocab_size=len(pieces))).save_pretrained(folder)
    transformers.BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}).save_pretrained(folder)
    return EncoderSpec(str(folder))


if __name__ == "__main__":
    main()
