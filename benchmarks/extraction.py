"""Encoders and stores in figures: `python -m benchmarks.extraction`.

Speech and words through encoders of the base architectures (HuBERT, BERT) with random weights, which cost what
trained ones do; then reading a pack against reading a file per utterance. One thread, but for extraction on Ray against
extraction in threads: all cores.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import transformers

from benchmarks import machine, synthetic
from study.corpus.utterance import Corpus, Utterance
from study.execution import connection
from study.execution.extraction import on_machines
from study.features.encoder import TextEncoder
from study.features.extract import EncodeBlocks, Progress, in_threads
from study.features.prepare import prepare
from study.features.spec import EncoderSpec
from study.features.text import BATCH
from study.modalities import AUDIO, TEXT

THREE_LAYERS = ("last", "6", "mean:3-8")
WORDS = "again are but did go have i it know like no not of really so that the there this want was what you".split()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=8, help="of audio; of text 16 times as many (8)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of every way (3)")
    parser.add_argument("--rows", default=",".join(ROWS), metavar="NAMES", help="which to measure (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    facts = machine.describe()
    machine.print_machine(facts)
    figures: dict[str, Any] = {"machine": {**facts, "utterances": parsed.utterances, "repeats": parsed.repeats}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what in parsed.rows.split(","):
            figures[what] = ROWS[what](folder / what, parsed.utterances, parsed.repeats)
            print(what)
            for figure, value in figures[what].items():
                print(f"  {figure:46} {value:10.4g}", flush=True)
    machine.write_json(parsed.json, figures)


def measure_audio(folder: Path, n_utterances: int, repeats: int) -> dict[str, float]:
    """Seconds of audio per second, utterance by utterance in float32 and bfloat16, and in padded batches."""
    transformers.HubertModel(transformers.HubertConfig()).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    encoder = AUDIO.open(EncoderSpec(str(folder)))
    encoder.load()
    utterances = [torch.randn(length * 320) for length in _audio_lengths(n_utterances)]
    seconds = sum(map(len, utterances)) / encoder.sample_rate_hz
    model = transformers.HubertModel.from_pretrained(folder).eval()
    frames: dict[str, list[torch.Tensor]] = {}

    def one_by_one(name: str, half: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                frames[name] = [encoder.encode(samples).float() for samples in utterances]

        return run

    @torch.inference_mode()
    def padded() -> None:
        batch = torch.nn.utils.rnn.pad_sequence(utterances, batch_first=True)
        mask = torch.arange(batch.shape[1]) < torch.tensor([len(each) for each in utterances]).unsqueeze(1)
        states = model(batch, attention_mask=mask.long()).last_hidden_state
        frames["padded"] = [state[: len(one)] for state, one in zip(states, frames["float32"], strict=True)]

    calls = {"float32": one_by_one("float32", half=False), "bfloat16": one_by_one("bfloat16", half=True)}
    taken = machine.alternating({**calls, "padded": padded}, repeats)
    return {
        **{f"{name}, audio seconds per second": seconds / value for name, value in machine.medians(taken).items()},
        "bfloat16 / float32, times as fast": machine.ratio(taken, "float32", "bfloat16"),
        "bfloat16, relative difference of frames": relative(frames["bfloat16"], frames["float32"]),
        "padded, relative difference of frames": relative(frames["padded"], frames["float32"]),
    }


def measure_layers(folder: Path, n_utterances: int, repeats: int) -> dict[str, float]:
    """Seconds of audio per CPU second from files to packs: the model's output, and three layers from one pass."""
    model, corpus, seconds = _speech(folder, n_utterances)

    def extracted(layers: Sequence[str]) -> Callable[[], None]:
        def run() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as packs:
                prepare(corpus, AUDIO, [EncoderSpec(str(model), layer) for layer in layers], Path(packs), workers=1)

        return run

    taken = machine.alternating(
        {"one": extracted(["last"]), "three": extracted(THREE_LAYERS)}, repeats, time.process_time
    )
    return {
        **{f"{n}, audio seconds per CPU second": seconds / value for n, value in machine.medians(taken).items()},
        "three layers / one, times as long": machine.ratio(taken, "three", "one"),
    }


def measure_machines(folder: Path, n_utterances: int, repeats: int) -> dict[str, float]:
    """From files to packs: actors of a cluster of this machine against threads of this process, on all cores."""
    model, corpus, seconds = _speech(folder, 2 * n_utterances)
    of_twos, cores = replace(AUDIO, block=2), os.cpu_count() or 1
    working: dict[str, list[float]] = {"actors": [], "threads": []}

    def extracted(name: str, encode_blocks: EncodeBlocks) -> Callable[[], None]:
        def run() -> None:
            seen: list[Progress] = []
            with tempfile.TemporaryDirectory(dir=folder) as packs:
                prepare(
                    corpus, of_twos, [EncoderSpec(str(model))], Path(packs),
                    on_progress=lambda each: seen.append(each) if isinstance(each, Progress) else None,
                    encode_blocks=encode_blocks,
                )  # fmt: skip
            working[name].append(seen[-1].elapsed_seconds)

        return run

    with connection.cluster(None, cores, None):
        calls = {"threads": extracted("threads", in_threads(cores)), "actors": extracted("actors", on_machines())}
        taken = machine.alternating(calls, repeats)
    starts = [whole - part for whole, part in zip(taken["actors"], working["actors"], strict=True)]
    return {
        **{f"{name}, audio seconds per second": seconds / value for name, value in machine.medians(working).items()},
        "actors / threads, times as long once ready": machine.ratio(working, "actors", "threads"),
        "actors, seconds until ready, and to the pack": statistics.median(starts),
    }


def measure_text(folder: Path, n_utterances: int, repeats: int) -> dict[str, float]:
    """Utterances per second: one by one, as we batch them, and the same in bfloat16."""
    transformers.BertModel(transformers.BertConfig()).save_pretrained(folder)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    transformers.BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}).save_pretrained(folder)
    encoder = TEXT.open(EncoderSpec(str(folder)))
    encoder.load()
    random = np.random.default_rng(0)
    lengths = synthetic.utterance_lengths(BATCH * n_utterances)["text"]
    texts = [" ".join(random.choice(WORDS, length)) for length in lengths]
    found: dict[str, list[torch.Tensor]] = {}

    def batched(name: str, half: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                found[name] = [tokens.float() for tokens, _ in encoder.encode(texts)]

        return run

    calls = {
        "one by one": lambda: one_text_at_a_time(encoder, texts),
        "batches": batched("batches", half=False),
        "bfloat16 batches": batched("bfloat16", half=True),
    }
    taken = machine.alternating(calls, repeats)
    return {
        **{f"{name}, utterances per second": len(texts) / value for name, value in machine.medians(taken).items()},
        "batches / one by one, times as fast": machine.ratio(taken, "one by one", "batches"),
        "bfloat16, relative difference of tokens": relative(found["bfloat16"], found["batches"]),
    }


def one_text_at_a_time(encoder: TextEncoder, texts: Sequence[str]) -> None:
    """What a loop over a table does."""
    for text in texts:
        encoder.encode([text])


def measure_store(folder: Path, n_utterances: int, repeats: int) -> dict[str, float]:
    """Microseconds per utterance: finding its frames, and reading every byte of them."""
    count = 50 * n_utterances
    folder.mkdir()
    features = synthetic.make(folder, count)
    synthetic.write_arrays(features, count, folder)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()
    pack = features.packs["audio"]
    files = [folder / "audio" / f"{id}.npy" for id in features.ids]

    def found() -> None:
        for row in order:
            pack.of(row)

    def opened() -> None:
        for row in order:
            np.load(files[row])

    def found_and_read() -> None:
        for row in order:
            pack.of(row).float()

    def opened_and_read() -> None:
        for row in order:
            torch.from_numpy(np.load(files[row])).float()

    calls = {"pack": found, "npy": opened, "pack, widened": found_and_read, "npy, widened": opened_and_read}
    taken = machine.alternating(calls, 3 * repeats)
    return {
        **{f"{name}, microseconds per utterance": 1e6 * s / count for name, s in machine.medians(taken).items()},
        "npy / pack, times as long": machine.ratio(taken, "npy", "pack"),
        "npy / pack, widened, times as long": machine.ratio(taken, "npy, widened", "pack, widened"),
    }


def relative(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """The norm of the difference as a share of the norm."""
    exact = torch.cat(list(expected))
    return float((torch.cat(list(found)) - exact).norm() / exact.norm())


def _speech(folder: Path, n_utterances: int) -> tuple[Path, Corpus, float]:
    """A model of HuBERT-base's size, a corpus of noise, and its seconds."""
    model = folder / "model"
    transformers.HubertModel(transformers.HubertConfig()).save_pretrained(model)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(model)
    utterances, seconds = [], 0.0
    for number, length in enumerate(_audio_lengths(n_utterances)):
        path = folder / f"{number}.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(length * 320), 16_000)
        utterances.append(Utterance(f"u{number}", path, "", "sad", "1F", "1"))
        seconds += length * 0.02
    return model, Corpus("noise", ("sad",), tuple(utterances)), seconds


def _audio_lengths(n_utterances: int) -> list[int]:
    """Frames of 20 ms per utterance."""
    return synthetic.utterance_lengths(n_utterances)["audio"]


ROWS: dict[str, Callable[[Path, int, int], dict[str, float]]] = {
    "audio": measure_audio,
    "layers": measure_layers,
    "machines": measure_machines,
    "text": measure_text,
    "store": measure_store,
}

if __name__ == "__main__":
    main()
