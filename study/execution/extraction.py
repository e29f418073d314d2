"""Extraction on the machines of a cluster, or in processes for the GPUs of this one: blocks to actors and back.

Plain actors with a bounded number of blocks in hand, and not Ray Data: a block that kills its worker has to be found
and named, every machine is counted by itself, and blocks have to stay as they were cut.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray._private.state import available_resources_per_node
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.corpus.utterance import NO_FILE, Utterance
from study.errors import UserError
from study.execution.address import LOCAL, chosen_address
from study.execution.block_schedule import BlockSchedule
from study.execution.block_worker import NO_GPU, BlockWorker, EncodedBlock, Order, Ready, versions
from study.execution.cluster import alive_nodes, reason_of
from study.execution.connection import quiet
from study.execution.crews import Crew, crews, has_gpus
from study.features.extract import EncodeBlocks, Save, Tally, Work, in_threads
from study.features.spec import EncoderSpec

# Between two looks for machines that have joined.
RECRUIT_SECONDS = 10.0
LOOK_SECONDS = 1.0
# Without weights, so many blocks take less time here than processes take to start: 2,048 utterances of audio.
FEW_BLOCKS = 64
# A process is started again where it dies before its first block; then its machine is at fault.
MOST_STARTS = 2


def is_on_machines(address: str | None, has_weights: bool) -> bool:
    """Whether extraction belongs into processes of Ray's: there is a cluster, or this machine has a GPU.

    The driver itself never uses a GPU, since its memory would be taken from the workers' as long as the study runs.
    """
    return chosen_address(address) != LOCAL or (has_weights and torch.cuda.device_count() > 0)


def on_machines() -> EncodeBlocks:
    """The way to encode blocks on the machines of the cluster that this process is connected to.

    The bytes are those of threads here, as long as the machines have processors, or GPUs, of one kind.
    """
    cores: dict[str, float] = {}
    here = in_threads(torch.get_num_threads())

    def encode_blocks(work: Work, save: Save, tally: Tally) -> list[str]:
        if not work.has_weights and len(work.blocks) <= FEW_BLOCKS:
            return here(work, save, tally)
        with quiet():
            pool = _Pool(work, save, tally, cores)
            try:
                return pool.run()
            finally:
                pool.end()

    return encode_blocks


class _Pool:
    """The actors for one piece of work."""

    def __init__(self, work: Work, save: Save, tally: Tally, cores: dict[str, float]) -> None:
        """Save what is done, and add it to `tally`; `cores` has the free cores of nodes that were seen before."""
        self._work, self._save, self._tally, self._cores = work, save, tally, cores
        self._schedule = BlockSchedule(len(work.blocks))
        self._actors: dict[str, tuple[Crew, Any]] = {}  # by the name of their crew, as all that follows
        self._starting: dict[Any, str] = {}
        self._working: dict[Any, tuple[str, int]] = {}
        self._deaths: Counter[str] = Counter()  # before the first block
        self._failures: dict[int, Sequence[str]] = {}
        self._labels: dict[str, str] = {}
        self._recruited = -math.inf
        self._on_gpus = work.has_weights and has_gpus(alive_nodes())
        self._order = Order(
            modality=work.modality,
            specs=[_spec_elsewhere(spec, work) for spec in work.specs],
            trust_remote_code=work.trust_remote_code,
            identity=dict(work.encoder.identity),
            versions=versions(work.has_weights),
            gpus=0,
        )

    def run(self) -> list[str]:
        """Do all blocks; gives a line for each utterance that could not be encoded."""
        while not self._schedule.finished:
            self._recruit()
            for name, block in self._schedule.hand_out():
                self._begin(name, block)
            refs = [*self._starting, *self._working]
            if not refs:
                time.sleep(LOOK_SECONDS)  # until a machine joins
                continue
            for ref in ray.wait(refs, timeout=LOOK_SECONDS)[0]:
                self._take(ref)
        for block, machines in self._schedule.given_up.items():
            self._failures[block] = _lines_of_killer(self._work.blocks[block], machines)
        return [line for block in sorted(self._failures) for line in self._failures[block]]

    def end(self) -> None:
        """End all actors, with what they have in hand."""
        for name in list(self._actors):
            self._dismiss(name)

    def _recruit(self) -> None:
        """Start actors on machines that have none, as long as there are blocks for them."""
        if time.monotonic() - self._recruited < RECRUIT_SECONDS:
            return
        self._recruited = time.monotonic()
        nodes, free = alive_nodes(), available_resources_per_node()
        for node in nodes:
            self._cores.setdefault(node["NodeID"], free.get(node["NodeID"], {}).get("CPU", 0.0))
        room = self._schedule.n_left - sum(crew.threads for crew, _ in self._actors.values())
        for crew in crews(nodes, self._cores, self._on_gpus):
            if room > 0 and crew.name not in self._actors:
                self._start(crew)
                room -= crew.threads

    def _start(self, crew: Crew) -> None:
        # On this node or not at all: no actor waits for a node that is gone.
        there = NodeAffinitySchedulingStrategy(crew.node, soft=False)
        options = {"num_cpus": crew.cpus, "num_gpus": crew.gpus, "max_concurrency": crew.threads}
        remote = ray.remote(max_restarts=0, scheduling_strategy=there, **options)(BlockWorker)
        actor = remote.remote(replace(self._order, gpus=crew.gpus))
        first = self._work.blocks[0][0]
        self._actors[crew.name] = crew, actor
        self._starting[actor.start.remote(_findable(first), self._work.contents[first.id])] = crew.name

    def _begin(self, name: str, block: int) -> None:
        utterances = self._work.blocks[block]
        contents = [self._work.contents[utterance.id] for utterance in utterances]
        _, actor = self._actors[name]
        self._working[actor.encode.remote([_findable(each) for each in utterances], contents)] = name, block

    def _take(self, ref: Any) -> None:
        """Take an answer, or a death."""
        if ref not in self._starting and ref not in self._working:
            return  # of an actor that another answer has shown to be dead
        try:
            answer = ray.get(ref)
        except ray.exceptions.RayTaskError:  # an error of our own code
            raise
        except ray.exceptions.RayError as error:
            self._lose(ref, error)
            return
        if ref in self._starting:
            self._welcome(self._starting.pop(ref), answer)
        else:
            self._keep(*self._working.pop(ref), answer)

    def _welcome(self, name: str, ready: Ready) -> None:
        crew, _ = self._actors[name]
        if ready.fault:
            raise _unfit(crew.machine, ready.fault)
        self._labels[name] = f"{crew.machine} ({NO_GPU})" if crew.gpus and ready.device == NO_GPU else crew.machine
        self._tally.begin()
        # One block more than threads, so that no thread waits for the next.
        self._schedule.join(name, self._labels[name], crew.threads + 1)

    def _keep(self, name: str, block: int, answer: EncodedBlock) -> None:
        if answer.fault:
            raise _unfit(self._labels[name], answer.fault)
        if answer.encoded:
            self._save(answer.encoded)
        self._failures[block] = answer.failures
        self._schedule.done(name, block)
        self._tally.add(self._work.blocks[block], self._labels[name])

    def _lose(self, ref: Any, error: Exception) -> None:
        """A process has died: its blocks are done elsewhere, and another takes its place."""
        name = self._starting[ref] if ref in self._starting else self._working[ref][0]
        crew, _ = self._actors[name]
        with_machine = crew.node not in {node["NodeID"] for node in alive_nodes()}
        if ref not in self._starting:
            self._schedule.lost(name, with_machine=with_machine)
        elif not with_machine:
            self._deaths[name] += 1
            if self._deaths[name] >= MOST_STARTS:
                raise _unfit(crew.machine, reason_of(error))
        self._starting = {each: own for each, own in self._starting.items() if own != name}
        self._working = {each: own for each, own in self._working.items() if own[0] != name}
        self._dismiss(name)
        self._recruited = -math.inf

    def _dismiss(self, name: str) -> None:
        _, actor = self._actors.pop(name)
        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(actor)


def _spec_elsewhere(spec: EncoderSpec, work: Work) -> EncoderSpec:
    """The spec that other machines find what this one does by: a folder by its whole path."""
    folder = Path(spec.name).expanduser()
    return replace(spec, name=str(folder.absolute())) if work.has_weights and folder.is_dir() else spec


def _findable(utterance: Utterance) -> Utterance:
    """The utterance with the whole paths of its files."""
    audio, film = (file if file == NO_FILE else file.absolute() for file in (utterance.audio, utterance.video.file))
    return replace(utterance, audio=audio, video=replace(utterance.video, file=film))


def _lines_of_killer(block: Sequence[Utterance], machines: Sequence[str]) -> list[str]:
    where = " and ".join(dict.fromkeys(machines))
    return [
        f"{each.id}: its block of {len(block)} ended two processes, on {where} (short of memory?)" for each in block
    ]


def _unfit(machine: str, fault: str) -> UserError:
    return UserError(
        f"every machine that extracts features reads the corpus and opens the encoder; {machine}: {fault}; keep both "
        "on storage that all machines share (an encoder of the hub in each one's cache), and install the same versions "
        "on each; what is done is kept"
    )
