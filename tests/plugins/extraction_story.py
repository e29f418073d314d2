"""Extractions on a cluster that is imitated on this machine: `python extraction_story.py FOLDER` prints what happened.

The Ray processes are real; only the GPUs are made up, those of the driver as well. In processes of their own, because
Ray reads much of its environment once.
"""

import contextlib
import json
import os
import signal
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

SIZE, BLOCK, KILLER = 40, 4, "u013"
AUDIO_OF_FOURS, TEXT_OF_FOURS = replace(AUDIO, block=BLOCK), replace(TEXT, block=BLOCK)


def slowly(encoder: AudioEncoder, utterances: Sequence[Utterance]) -> Iterator[Encoded | UserError]:
    """Takes a while, so that something can happen meanwhile."""
    for each in encode_audio(encoder, utterances):
        time.sleep(0.1)
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

    def grow(self) -> dict[str, Any]:
        """One machine, then three; on these a process and a machine are lost."""
        self.extract(AUDIO_OF_FOURS, self.hubert, "one")
        one = sorted(self.seen[-1].machines)
        for _ in range(2):
            self.cluster.add()
        of_three = replace(TEXT_OF_FOURS, encode=together(self.folder / "there", TEXT.encode, 3))
        self.extract(of_three, self.bert, "three")
        three = sorted(self.seen[-1].machines)
        lost: list[int] = []

        def lose(done: int) -> None:
            if done >= BLOCK and not lost:
                self.cluster.kill_a_worker()
                lost.append(done)
            elif done >= 4 * BLOCK and len(lost) == 1:
                self.cluster.remove()
                lost.append(done)

        self.extract(replace(AUDIO_OF_FOURS, encode=slowly), self.hubert, "three", lose)
        return {"one": one, "three": three, "lost after": lost}

    def fail(self) -> dict[str, Any]:
        """A block that ends its process, then files that only the driver has read."""
        killed = self.error_of(replace(AUDIO_OF_FOURS, encode=deadly), EncoderSpec("logmel"), "killer")
        wav, aside = self.folder / "wav", self.folder / "aside"
        gone = self.error_of(AUDIO_OF_FOURS, EncoderSpec("logmel"), "gone", lambda done: wav.rename(aside))
        aside.rename(wav)
        return {"killed": killed, "gone": gone}

    def run_command(self) -> int:
        """The verb `features` on the cluster; its exit code."""
        os.chdir(self.folder)
        line = ["features", "--address", self.cluster.address, "--corpus", "manifest.csv", "--variant", "audio"]
        return cli([*line, "--audio-encoder", self.hubert.name, "--output", "command"])

    def die(self) -> None:
        """Be killed after two blocks."""

        def kill(done: int) -> None:
            if done >= 2 * BLOCK:
                os.kill(os.getpid(), signal.SIGKILL)

        self.extract(replace(AUDIO_OF_FOURS, encode=slowly), self.hubert, "driver", kill)


def main() -> None:
    """Tell the story of the folder that is given; without one, be the cluster."""
    if len(sys.argv) == 1:
        be_a_cluster()
        return
    extraction.FEW_BLOCKS = 0
    story = Story(Path(sys.argv[1]), ImitatedCluster())
    facts: dict[str, Any] = {}
    with connection.cluster(story.cluster.address, None, None):
        with pretended_gpu() as attempts:
            facts |= story.grow()
            facts["attempts by the driver"] = len(attempts)
            with contextlib.suppress(UserError):
                pack_of(story.tones, AUDIO, story.hubert, story.folder / "threads")
            facts["attempts by threads"] = len(attempts)
        facts |= story.fail()
    facts["command"] = story.run_command()
    print(json.dumps(facts), flush=True)
    with connection.cluster(story.cluster.address, None, None):
        story.die()


if __name__ == "__main__":
    main()
