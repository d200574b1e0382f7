"""What tests share: a seeded generator, workers, and audio made on the spot."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Iterator

import numpy as np
import pytest

from trainer.workers import Workers


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


@pytest.fixture
def say():
    """A voice: text -> audio at 16 kHz."""
    from trainer.wakeword.engines import Voice

    return Voice("espeak", "en-us+m3", 1.0, 0.5, 0.5, 1.0).speak
