"""The device of an epoch in the ledger's words: what fell back is said."""

import pytest
import torch

from study.execution.device_words import device_words


@pytest.mark.parametrize(("wants_gpu", "words"), [(False, "CPU"), (True, "CPU, as its GPU cannot be used")])
def test_a_fall_to_the_cpu_is_said(wants_gpu: bool, words: str) -> None:
    assert device_words(torch.device("cpu"), wants_gpu, ()) == words


def test_a_gpu_has_its_name_and_arithmetic_and_features_that_it_has_no_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A GPU")
    assert device_words(torch.device("cuda"), True, ()) == "A GPU, float32 without TF32"
    assert device_words(torch.device("cuda"), True, ("audio",)).endswith(", features of audio in the host's memory")
