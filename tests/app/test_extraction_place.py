"""Where features are extracted: in threads, or in processes of Ray's, where a cluster or a GPU is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from study.app.cli import parser
from study.app.export import ExportOptions
from study.app.extraction import extract_features, extracts_on_machines, wanted_features
from study.app.options import settings_of, typed_options
from study.corpus.source import open_corpus


@pytest.mark.parametrize(
    ("gpus", "address", "encoder", "place"),
    [
        (0, None, "tiny", False),
        (0, None, "logmel", False),
        (1, None, "tiny", True),  # its memory would be the driver's for the whole study
        (2, None, "tiny", True),
        (1, None, "logmel", False),  # has no use for a GPU
        (0, "auto", "tiny", True),
        (0, "auto", "logmel", True),
    ],
)
def test_extraction_is_where_a_cluster_or_a_gpu_is(
    gpus: int,
    address: str | None,
    encoder: str,
    place: bool,
    tiny_manifest: Path,
    tiny_encoder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    name = str(tiny_encoder("hubert")) if encoder == "tiny" else encoder
    line = ["features", "--variant", "audio", "--corpus", str(tiny_manifest), "--audio-encoder", name]
    line += ["--output", str(tmp_path), *(["--address", address] if address else [])]
    settings = settings_of(parser().parse_args(line))
    corpus = open_corpus(settings.corpus, ["audio"])
    features = wanted_features(corpus, settings)
    assert extracts_on_machines(features, settings) is place
    extract_features(features, corpus, settings, Console(quiet=True), "a test")
    assert not extracts_on_machines(features, settings), "nothing is missing: no cluster is needed"


def test_the_head_of_a_cluster_gets_the_options_of_features_and_of_their_export() -> None:
    line = ["features", "--address", "ray://head:10001", "--variant", "text", "--to", "npz", "--into", "there"]
    again = parser().parse_args(["features", *typed_options(parser().parse_args(line), ExportOptions)])
    assert (again.to, again.into) == ("npz", str(Path("there").absolute()))
    assert (again.variants, again.address) == ("text", "ray://head:10001")
