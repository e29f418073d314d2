"""Extractions on a cluster that is imitated on this machine: `python extraction_story.py FOLDER` prints what happened.

The Ray processes are real; only the GPUs are made up, those of the driver as well. A process of its own, because Ray
reads much of its environment once.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from ray.cluster_utils import Cluster

from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.execution import connection, extraction
from study.features.audio import encode_audio
from study.features.encoder import AudioEncoder, Encoded
from study.features.extract import Progress
from study.features.modality import Modality
from study.features.prepare import pack_of
from study.features.spec import EncoderSpec
from study.features.turn import Waiting
from study.modalities import AUDIO, TEXT
from tests.plugins.tone_corpora import tones_in

SIZE, BLOCK, KILLER = 40, 4, "u013"
HERE = {"node_ip_address": "127.0.0.1"}
AUDIO_OF_FOURS, TEXT_OF_FOURS = replace(AUDIO, block=BLOCK), replace(TEXT, block=BLOCK)


def slowly(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Takes a while, so that something can happen meanwhile."""
    for each in encode_audio(encoder, utterances):
        time.sleep(0.1)
        yield each


def deadly(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Ends the process at an utterance, as a crash in a library or a lack of memory does."""
    for each in encode_audio(encoder, utterances):
        if isinstance(each, Encoded) and each.utterance.id == KILLER:
            os._exit(1)
        yield each


@contextlib.contextmanager
def pretended_gpu() -> Iterator[list[str]]:
    """Let torch see a GPU in this process; gives a list of the attempts to use it."""
    attempts: list[str] = []

    def touch(*arguments: Any) -> None:
        attempts.append("cuda")
        raise RuntimeError("the pretended GPU was used")

    before = torch.cuda.is_available, torch.cuda.device_count, torch.cuda._lazy_init
    torch.cuda.is_available, torch.cuda.device_count, torch.cuda._lazy_init = (lambda: True), (lambda: 1), touch
    try:
        yield attempts
    finally:
        torch.cuda.is_available, torch.cuda.device_count, torch.cuda._lazy_init = before


class Story:
    """A corpus, a tiny encoder of each kind, and a cluster."""

    def __init__(self, folder: Path, cluster: Cluster | None) -> None:
        """In `folder` are tiny-hubert, tiny-bert and a manifest.csv of the corpus."""
        self.folder, self.tones, self.cluster = folder, tones_in(folder / "wav", SIZE), cluster
        self.hubert, self.bert = (EncoderSpec(str(folder / f"tiny-{name}")) for name in ("hubert", "bert"))
        self.seen: list[Progress] = []

    def extract(
        self, modality: Modality[Any], spec: EncoderSpec, name: str, on_block: Any = None, corpus: Corpus | None = None
    ) -> Path:
        """A pack in the folder `name` from the cluster; `on_block` is called with the number of utterances done."""
        self.seen.clear()

        def show(progress: Progress | Waiting) -> None:
            assert isinstance(progress, Progress)
            self.seen.append(progress)
            if on_block is not None:
                on_block(progress.utterances_done)

        folder = self.folder / name
        how = extraction.on_machines()
        return pack_of(corpus or self.tones, modality, spec, folder, on_progress=show, encode_blocks=how)

    def error_of(self, *what: Any, **how: Any) -> str:
        """The error line of an extraction that fails."""
        try:
            self.extract(*what, **how)
        except UserError as error:
            return str(error)
        raise AssertionError("it does not fail")


def kill_a_worker() -> None:
    """Kill one of the processes that encode."""
    next(
        p for p in psutil.process_iter(["cmdline"]) if "BlockWorker.encode" in " ".join(p.info["cmdline"] or ())
    ).kill()


def being_a_driver(story: Story) -> subprocess.CompletedProcess[str]:
    """A driver in a process of its own that is killed after two blocks."""
    line = [sys.executable, __file__, str(story.folder), story.cluster.address]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def die_after_two_blocks(story: Story) -> None:
    """Extract, and be killed."""

    def die(done: int) -> None:
        if done >= 2 * BLOCK:
            os.kill(os.getpid(), signal.SIGKILL)

    story.extract(replace(AUDIO_OF_FOURS, encode=slowly), story.hubert, "driver", die)


def by_command(story: Story) -> subprocess.CompletedProcess[str]:
    """The verb `features` on the cluster."""
    line = [sys.executable, "-m", "ser_study", "features", "--address", story.cluster.address]
    line += ["--corpus", "manifest.csv", "--variant", "audio", "--audio-encoder", story.hubert.name, "--output", "cli"]
    return subprocess.run(line, cwd=story.folder, capture_output=True, text=True, timeout=120)


def tell(story: Story) -> dict[str, Any]:
    """One machine, then three; then deaths of a worker, a machine, a block's workers and a driver."""
    facts: dict[str, Any] = {}
    with pretended_gpu() as attempts:
        story.extract(AUDIO_OF_FOURS, story.hubert, "one")
        story.extract(TEXT_OF_FOURS, story.bert, "one")
        nodes = [story.cluster.add_node(num_cpus=1, num_gpus=1, **HERE) for _ in range(2)]
        story.cluster.wait_for_nodes()
        story.extract(replace(AUDIO_OF_FOURS, encode=slowly), EncoderSpec("logmel"), "three")
        facts["machines without weights"] = sorted(story.seen[-1].machines)
        story.extract(TEXT_OF_FOURS, story.bert, "three")
        facts["machines with weights"] = sorted(story.seen[-1].machines)
        lost: list[int] = []

        def lose(done: int) -> None:
            if done >= BLOCK and not lost:
                kill_a_worker()
                lost.append(done)
            elif done >= 4 * BLOCK and len(lost) == 1:
                story.cluster.remove_node(nodes[0], allow_graceful=False)
                lost.append(done)

        story.extract(replace(AUDIO_OF_FOURS, encode=slowly), story.hubert, "three", lose)
        facts["lost after"] = lost
        facts["killed"] = story.error_of(replace(AUDIO_OF_FOURS, encode=deadly), story.hubert, "killer")
        facts["driver's attempts to use a GPU"] = len(attempts)
        with contextlib.suppress(UserError):
            pack_of(story.tones, AUDIO, story.hubert, story.folder / "threads")
        facts["attempts by threads"] = len(attempts)
    facts["driver"] = being_a_driver(story).returncode
    command_line = by_command(story)
    facts["command"] = [command_line.returncode, command_line.stdout + command_line.stderr]
    copies = shutil.copytree(story.folder / "wav", story.folder / "gone")
    moved = replace(
        story.tones, utterances=tuple(replace(u, audio=copies / u.audio.name) for u in story.tones.utterances)
    )
    facts["gone"] = story.error_of(
        AUDIO_OF_FOURS, EncoderSpec("logmel"), "gone-features", lambda done: shutil.rmtree(copies), corpus=moved
    )
    return facts


def main() -> None:
    """Tell the story, or be a driver that is killed in the middle."""
    folder, *address = sys.argv[1:]
    extraction.FEW_BLOCKS = 0
    if address:
        with connection.cluster(address[0], None, None):
            die_after_two_blocks(Story(Path(folder), None))
    cluster = Cluster(initialize_head=True, head_node_args={**HERE, "num_cpus": 2, "include_dashboard": False})
    try:
        with connection.cluster(cluster.address, None, None):
            facts = tell(Story(Path(folder), cluster))
        print(json.dumps(facts))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
