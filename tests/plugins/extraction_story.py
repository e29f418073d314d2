"""Extractions on a cluster that is imitated on this machine: `python extraction_story.py FOLDER` prints what happened.

The Ray processes are real; only the GPUs are made up, those of the driver as well. In processes of their own, because
Ray reads much of its environment once.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from ray.cluster_utils import Cluster

from study.app.cli import main as cli
from study.corpus.utterance import Utterance
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

SIZE, BLOCK, KILLER = 40, 2, "u013"
AUDIO_OF_TWOS, TEXT_OF_TWOS = replace(AUDIO, block=BLOCK), replace(TEXT, block=BLOCK)


def slowly(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Takes a while, so that something can happen meanwhile."""
    for each in encode_audio(encoder, utterances):
        time.sleep(0.2)
        yield each


def together(folder: Path, encode: Callable[..., Iterator[Any]], processes: int) -> Callable[..., Iterator[Any]]:
    """What encodes as `encode` does once so many processes are there: none is left out because it starts later."""
    folder.mkdir()

    def encode_together(encoder: Any, utterances: Sequence[Utterance]) -> Iterator[Any]:
        (folder / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < processes and time.monotonic() < deadline:
            time.sleep(0.05)
        yield from encode(encoder, utterances)

    return encode_together


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


class ImitatedCluster:
    """A cluster in a process of its own, which ends with the process that has begun it."""

    def __init__(self) -> None:
        """Begin with one machine."""
        pipe = subprocess.PIPE
        # A machine that is gone is missed after a second instead of fifteen.
        soon = {"RAY_health_check_period_ms": "300", "RAY_health_check_failure_threshold": "3"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, bufsize=1,
            env={**os.environ, **soon},
        )  # fmt: skip
        self.address = self._answer()

    def add(self) -> None:
        """Add a machine."""
        self._ask("add")

    def remove(self) -> None:
        """Remove the last machine without a warning."""
        self._ask("remove")

    def kill_a_worker(self) -> None:
        """Kill one of the processes that encode."""
        while True:
            for each in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "BlockWorker.encode" in " ".join(each.cmdline()):
                        each.kill()
                        return
            time.sleep(0.02)

    def _ask(self, what: str) -> None:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin)
        assert self._answer() == what

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def be_a_cluster() -> None:
    """Do what is asked for on the standard input, until it ends."""
    machine = {"node_ip_address": "127.0.0.1", "num_cpus": 1, "num_gpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    others = []
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "add":
            others.append(cluster.add_node(**machine))
            cluster.wait_for_nodes()
        else:
            cluster.remove_node(others.pop(), allow_graceful=False)
        print(line.strip(), flush=True)
    cluster.shutdown()


class Story:
    """A corpus, a tiny encoder of each kind, and a cluster."""

    def __init__(self, folder: Path, cluster: ImitatedCluster) -> None:
        """In `folder` are tiny-hubert, tiny-bert and a manifest.csv of the corpus."""
        self.folder, self.tones, self.cluster = folder, tones_in(folder / "wav", SIZE), cluster
        self.hubert, self.bert = (EncoderSpec(str(folder / f"tiny-{name}")) for name in ("hubert", "bert"))
        self.seen: list[Progress] = []

    def extract(
        self,
        modality: Modality[Any],
        spec: EncoderSpec,
        name: str,
        on_block: Callable[[int], object] = lambda done: None,
    ) -> Path:
        """A pack in the folder `name` from the cluster; `on_block` is called with the number of utterances done."""
        self.seen.clear()

        def show(progress: Progress | Waiting) -> None:
            assert isinstance(progress, Progress)
            self.seen.append(progress)
            on_block(progress.utterances_done)

        folder = self.folder / name
        return pack_of(self.tones, modality, spec, folder, on_progress=show, encode_blocks=extraction.on_machines())

    def error_of(self, *what: Any) -> str:
        """The error line of an extraction that fails."""
        try:
            self.extract(*what)
        except UserError as error:
            return str(error)
        raise AssertionError("it does not fail")

    def on_one(self) -> dict[str, Any]:
        """Words on one machine, then a block that ends its process, then files that only the driver has read."""
        self.extract(TEXT_OF_TWOS, self.bert, "one")
        one = sorted(self.seen[-1].machines)
        killed = self.error_of(replace(AUDIO_OF_TWOS, encode=deadly), EncoderSpec("logmel"), "killer")
        wav, aside = self.folder / "wav", self.folder / "aside"
        gone = self.error_of(AUDIO_OF_TWOS, EncoderSpec("logmel"), "gone", lambda done: wav.rename(aside))
        aside.rename(wav)
        return {"one": one, "killed": killed, "gone": gone}

    def on_three(self) -> dict[str, Any]:
        """Sound on three machines, of which a process and later a machine are lost once each has done a block."""
        for _ in range(2):
            self.cluster.add()
        lost: list[int] = []
        on_disk: list[int] = []

        def lose(done: int) -> None:
            if not lost and len(self.seen[-1].machines) == 3:
                self.cluster.kill_a_worker()
            elif len(lost) == 1 and done >= lost[0] + 2 * BLOCK:
                self.cluster.remove()
            else:
                return
            lost.append(done)
            on_disk.append(BLOCK * len(list((self.folder / "three").glob("*.parts/*.safetensors"))))

        audio = replace(AUDIO_OF_TWOS, encode=together(self.folder / "there", slowly, 3))
        self.extract(audio, self.hubert, "three", lose)
        return {"three": sorted(self.seen[-1].machines), "lost after": lost, "then on disk": on_disk}

    def run_command(self) -> int:
        """The verb `features` on the cluster; its exit code."""
        os.chdir(self.folder)
        line = ["features", "--address", self.cluster.address, "--corpus", "manifest.csv", "--variant", "audio"]
        return cli([*line, "--audio-encoder", self.hubert.name, "--output", "command"])


def main() -> None:
    """Tell the story of the folder that is given; without one, be the cluster."""
    if len(sys.argv) == 1:
        be_a_cluster()
        return
    extraction.FEW_BLOCKS = 0
    story = Story(Path(sys.argv[1]), ImitatedCluster())
    facts: dict[str, Any] = {}
    with connection.cluster(story.cluster.address, None, None), pretended_gpu() as attempts:
        facts |= story.on_one() | story.on_three()
        facts["attempts by the driver"] = len(attempts)
        with contextlib.suppress(UserError):
            pack_of(story.tones, AUDIO, story.hubert, story.folder / "threads")
        facts["attempts by threads"] = len(attempts)
    facts["command"] = story.run_command()
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
