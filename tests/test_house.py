"""The house keeps its promise: a part of one's own is a file or two and a row, and every law holds for it at once.

In a copy of the tree, as a reader of docs/own-variant.md and docs/own-parts.md would: a system, an audio encoder, a
corpus layout, a policy and a sampler are added. The files that each touches are counted, the laws are run on all of
them, and one study uses all five together.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("models", "search_spaces", "study", "benchmarks", "tests")
LAWS = """
tests/test_variants.py tests/training/test_loop.py tests/features/test_weightless_encoders.py
tests/corpus/test_readers.py tests/search/test_race.py tests/execution/test_scheduler.py
tests/samplers/test_proposals.py tests/samplers/test_samplers.py
""".split()

# What `ser-study run` does, without Ray's workers, which take long to start.
WHOLE_STUDY = """
import sys
from pathlib import Path
from study.app.result import spaces
from study.report import write
from tests.plugins.exportable_study import write_searched
output, corpus, *options = sys.argv[1:]
study = write_searched(Path(output), Path(corpus), *options)
write.write(study.folder, spaces(study.plan))
"""
ENCODER = '''
"""Audio features without weights: the log energy of tenths of a second, as an example."""

import torch

SAMPLES = 1600


class Loudness:
    """One log energy for each tenth of a second."""

    dim = 1
    rate_hz = 10.0
    sample_rate_hz = 16_000

    @property
    def identity(self):
        """The name and version of these features."""
        return {"name": "mine", "version": 1, "layer": "last", "dtype": "float32"}

    def load(self):
        """Does nothing: there are no weights."""

    def encode(self, samples):
        """The frames of one utterance."""
        parts = samples.split(SAMPLES)
        return torch.stack([part.square().mean().clamp_min(1e-10).log()[None] for part in parts])
'''
READER = '''
"""From a folder of SPEAKER/LABEL/TAKE.wav, as an example, to utterances."""

import os

from study.corpus.utterance import Utterance


def recognises(path):
    """Whether there is an index.mine in a folder."""
    return os.path.isfile(path / "index.mine")


def scan(path, allow_outside):
    """Every recording; the words are the name of the take."""
    found = []
    for audio in sorted(path.glob("*/*/*.wav")):
        speaker, label = audio.parts[-3:-1]
        found.append(Utterance(f"{speaker}-{label}-{audio.stem}", audio, audio.stem, label, speaker, speaker))
    return found, []


def corpus_name(path):
    """The folder's name."""
    return path.name
'''
POLICY = '''
"""The policy `mine`, as an example: halving on the mean over folds at the first rung alone."""

from study.search.policies.halving import Halving
from study.search.state import Stage


class OneRung(Halving):
    """Stops at the first rung or not at all."""

    def stages(self, rules, number):
        """All folds at the first rung, if there is one, and at full length."""
        folds = tuple(range(rules.n_folds))
        return tuple(Stage(epoch, folds) for epoch in (*rules.rungs[:1], rules.epochs))
'''
SAMPLER = '''
"""The sampler `mine`, as an example: random draws of another seed."""

from optuna.samplers import RandomSampler


def build(seed, number):
    """The sampler of trial `number`."""
    return RandomSampler(seed=seed + 7919 * number)
'''

# By part: files to add, and rows to put below a line of a table.
Change = tuple[Mapping[str, str], Mapping[str, Mapping[str, str]]]


def own_variant() -> Change:
    """The four blocks of docs/own-variant.md."""
    page = (ROOT / "docs" / "own-variant.md").read_text(encoding="utf-8")
    model, space, imports, row = (dedent(block) for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    rows = {"import search_spaces.mdre\n": imports, "VARIANTS: dict[str, Variant] = {\n": row}
    return {"models/mean.py": model, "search_spaces/mean.py": space}, {"study/variants.py": rows}


OWN: dict[str, tuple[int, Change]] = {
    "variant": (3, own_variant()),
    "encoder": (
        2,
        (
            {"study/features/mine.py": ENCODER},
            {
                "study/modalities.py": {
                    "from study.features.logmel import LogMel\n": "from study.features.mine import Loudness\n",
                    '    demo_encoder="logmel",\n    built_in={': '"mine": Loudness, ',
                }
            },
        ),
    ),
    "reader": (
        2,
        (
            {"study/corpus/readers/mine.py": READER},
            {
                "study/corpus/readers/table.py": {
                    "from study.corpus.known_counts import KnownCounts\n": "from study.corpus.readers import mine\n",
                    "READERS: dict[str, Reader] = {\n": '"mine": Reader("a folder with an index.mine", '
                    "mine.recognises, mine.scan, mine.corpus_name),\n",
                }
            },
        ),
    ),
    "policy": (
        2,
        (
            {"study/search/policies/mine.py": POLICY},
            {
                "study/search/policies/__init__.py": {
                    "from study.search.policies.full import Full\n": "from study.search.policies import mine\n",
                    "POLICIES: dict[str, Policy] = {": '"mine": mine.OneRung(), ',
                }
            },
        ),
    ),
    "sampler": (
        2,
        (
            {"study/samplers/mine.py": SAMPLER},
            {
                "study/samplers/__init__.py": {
                    "SAMPLERS: dict[str, Sampler] = {\n": '"mine": Sampler("random draws of another seed", _mine, '
                    "reads_scores=False),\n",
                    "def proposal_seed(": "",
                }
            },
        ),
    ),
}
BUILD_MINE = """
def _mine(seed, number):
    from study.samplers.mine import build

    return build(seed, number)


"""


def apply(home: Path, change: Change) -> set[str]:
    """Add the files and rows of a change to the tree at `home`; the files that it touched."""
    files, tables = change
    for name, text in files.items():
        assert not (home / name).exists()
        (home / name).write_text(text.lstrip("\n"), encoding="utf-8")
    for name, rows in tables.items():
        text = (home / name).read_text(encoding="utf-8")
        for anchor, row in rows.items():
            assert text.count(anchor) == 1, f"{name} has the line {anchor!r} once"
            put = BUILD_MINE + anchor if anchor == "def proposal_seed(" else anchor + row
            text = text.replace(anchor, put)
        (home / name).write_text(text, encoding="utf-8")
    return {*files, *tables}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with a part of every kind added."""
    home = tmp_path_factory.mktemp("house")
    for part in PARTS:
        shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__", "audio"))
    shutil.copy(ROOT / "pyproject.toml", home)
    for part, (most, change) in OWN.items():
        touched = apply(home, change)
        assert len(touched) <= most, f"{part}: {touched}"
    return home


@pytest.mark.slow
def test_every_law_holds_for_parts_of_ones_own(home: Path) -> None:
    line = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rp", "-p", "no:cacheprovider", *LAWS]
    chosen = "mean or mine or test_readers or built_in"
    done = subprocess.run(
        [*line, "-k", chosen], cwd=home, capture_output=True, text=True, encoding="utf-8", timeout=400
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    held = [line for line in done.stdout.splitlines() if line.startswith("PASSED") and re.search("mean|mine", line)]
    for law in ("test_variants", "test_loop", "test_weightless", "test_readers", "test_race", "test_scheduler"):
        assert any(law in line for line in held), f"no law of {law} was held against the new parts"


@pytest.mark.slow
def test_a_study_uses_parts_of_ones_own_together(home: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "tones"
    generator = np.random.default_rng(0)
    for speaker in "abc":
        for label, loudness in (("calm", 0.05), ("tense", 0.5)):
            for take in range(4):
                path = corpus / speaker / label / f"take{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, loudness * generator.standard_normal(4000), 16_000)
    (corpus / "index.mine").touch()
    options = ["--variant", "mean", "--configs", "3", "--seeds", "0", "--policy", "mine", "--sampler", "mine"]
    finished = subprocess.run(
        [sys.executable, "-c", WHOLE_STUDY, tmp_path / "mlruns", corpus, *options, "--audio-encoder", "mine"],
        cwd=home,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads((tmp_path / "mlruns" / "studies" / "tiny" / "report.json").read_text(encoding="utf-8"))
    assert report["corpus"]["name"] == "tones"
    assert report["corpus"]["classes"] == {"calm": 12, "tense": 12}
    assert report["variants"]["mean"]["tuned"] is not None
