"""What tests share: a seeded generator, workers, and audio made on the spot."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trainer.run import Run
from trainer.settings import load
from trainer.steps import Steps
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


@pytest.fixture(scope="session")
def make_run(workers):
    """A run of a product's line: (settings class, product, label, options) -> Run."""

    def make(kind, product, label, **options):
        loaded = load(kind, options, {})
        s = loaded.settings
        steps = Steps(s.data_dir / "work", product, label=label)
        log_file = s.data_dir / "work" / "run.log"
        log_file.touch()
        return Run(s, loaded.sources, steps, workers, Path(log_file))

    return make
