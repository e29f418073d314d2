"""The arithmetic on a GPU: no rounding to TF32 anywhere, whatever was set before."""

import pytest
import torch

from study.precision import fix_precision

SETTINGS = (torch.backends.cuda.matmul, torch.backends.cudnn.rnn, torch.backends.cudnn.conv)


def test_matrix_products_recurrent_layers_and_convolutions_are_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [each.fp32_precision for each in SETTINGS]
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", torch.backends.cudnn.deterministic)
    try:
        for each in SETTINGS:
            each.fp32_precision = "tf32"
        fix_precision()
        assert [each.fp32_precision for each in SETTINGS] == ["ieee"] * 3
        assert torch.backends.cudnn.deterministic
    finally:
        for each, value in zip(SETTINGS, before, strict=True):
            each.fp32_precision = value
