"""GPUs that TensorFlow has no kernels for."""

import pytest

from trainer import machine
from trainer.errors import UserError
from trainer.machine import check_gpu

WAYS_OUT = "-e CUDA_VISIBLE_DEVICES=-1 trains on the processor"
OLD, GOOD, NEW = ("GTX 980", "5.2"), ("RTX 4090", "8.9"), ("RTX 5090", "12.0")


@pytest.mark.parametrize(
    ("gpus", "visible", "refused"),
    [
        ([GOOD], None, ""),
        ([], None, ""),
        ([OLD], None, "GTX 980"),
        ([NEW], None, "RTX 5090"),
        ([NEW], "-1", ""),
        ([OLD, GOOD], None, ""),
        ([NEW, GOOD], None, "RTX 5090"),
        ([NEW, GOOD], "1", ""),
        ([NEW], "0", "RTX 5090"),
    ],
)
def test_what_would_fail_is_refused(gpus, visible, refused, monkeypatch):
    monkeypatch.setattr(machine, "_gpus", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    check_gpu("jax", WAYS_OUT)
    if refused:
        with pytest.raises(UserError, match=f"{refused} .* CUDA_VISIBLE_DEVICES=-1"):
            check_gpu("tensorflow", WAYS_OUT)
    else:
        check_gpu("tensorflow", WAYS_OUT)
