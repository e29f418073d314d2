"""A finished study of real recordings with features that need no download, trained in this process in seconds."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console

from study.app.cli import parsed_arguments
from study.app.extraction import extract_features, studied_corpus, wanted_features
from study.app.missing_modalities import missing_of
from study.app.options import settings_of
from study.app.planning import make_plan, with_missing, with_slots
from study.app.repeat import write_config
from study.corpus.utterance import Corpus
from study.execution.places import Slots
from study.inference.threads import one_core
from study.record.folder import StudyFolder
from study.samplers.warm_start import warm_proposer
from tests.plugins.films import grey, write_film
from tests.plugins.tiny_study import TinyStudy, run_study

SAYS = {"calm": "all is well", "tense": "run away now"}
N_UTTERANCES = 24
QUIET = Console(quiet=True)


def write_recordings(folder: Path, suffix: str = ".wav") -> Path:
    """A manifest of 24 recordings of .3 to .6 s: three shows, two speakers each, two classes that differ in pitch."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(N_UTTERANCES):
        show, label = "abc"[number % 3], ("calm", "tense")[number // 3 % 2]
        n_samples = int(generator.integers(4800, 9600))
        tone = np.sin(2 * np.pi * (150 + 200 * (label == "tense") + number) * np.arange(n_samples) / 16_000)
        samples = 0.2 * tone + 0.02 * generator.standard_normal(n_samples)
        name = f"said-{number:02d}{suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, samples, 16_000)
        # One says nothing, as people who laugh.
        words = "" if number == 5 else f"{SAYS[label]}  {number}"
        rows.append([name, f"said-{number:02d}", label, words, f"{show}{number // 6 % 2}", show])
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_name", "utterance_id", "label", "text", "speaker", "group"], *rows])
    return path


def give_films(manifest: Path, without: Collection[int]) -> Path:
    """The manifest of `write_recordings` with a second of one film for each utterance but those in these rows.

    The film is dark where the class is calm.
    """
    header, *rows = manifest.read_text(encoding="utf-8").splitlines()
    dark = ["calm" in row.split(",")[2] for row in rows]
    write_film(manifest.parent / "f.mp4", lambda seconds: grey(60 if dark[int(seconds)] else 180), len(rows), 4)
    cells = [",,," if number in without else f",f.mp4,{number},{number + 1}" for number in range(len(rows))]
    lines = [f"{header},video,video_start,video_end", *map(str.__add__, rows, cells)]
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def write_exportable(output: Path, manifest: Path, *options: str, name: str = "tiny") -> tuple[StudyFolder, Corpus]:
    """A finished study of a manifest, with these `options` of `ser-study run` beside few and short runs.

    Every configuration is the published one.
    """
    study, corpus = write_planned(output, manifest, *options, name=name)
    run_study(study)
    return study.folder, corpus


def write_searched(output: Path, manifest: Path, *options: str, name: str = "tiny") -> TinyStudy:
    """Such a study whose configurations are proposed by its own sampler."""
    study, _ = write_planned(output, manifest, *options, name=name)
    plan = study.plan
    with one_core():
        run_study(study, warm_proposer(plan.terms.seed, plan.terms.sampler, plan.prior, plan.choices()))
    return study


def write_planned(output: Path, manifest: Path, *options: str, name: str = "tiny") -> tuple[TinyStudy, Corpus]:
    """Such a study before it begins, with its features, and its corpus."""
    small = ["--configs", "1", "--epochs", "3", "--concurrency", "1", "--output", str(output), "--name", name]
    has_audio = {"--audio-encoder", "--audio-features"} & set(options)
    encoders = ["--text-encoder", "hash", *([] if has_audio else ["--audio-encoder", "logmel"])]
    settings = settings_of(parsed_arguments(["run", "--corpus", str(manifest), *small, *encoders, *options]))
    corpus = studied_corpus(settings, QUIET)
    features = wanted_features(corpus, settings)
    choices = {modality: [each.choice for each in own] for modality, own in features.items()}
    plan = with_missing(make_plan(settings, corpus, choices, name), missing_of(features, corpus))
    plan = with_slots(plan, Slots(1, 0.0))
    extract_features(features, corpus, settings, QUIET, "a test")
    folder = StudyFolder.of(output, name)
    folder.path.mkdir(parents=True)
    plan.write(folder)
    write_config(folder, settings, plan)
    return TinyStudy(folder, plan), corpus
