"""What every line shares: settings with their sources, steps, workers and the log file."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from trainer.log import log, quiet, start_log
from trainer.machine import cores, summary
from trainer.settings import Loaded, S
from trainer.steps import Steps
from trainer.workers import Workers


@dataclass(frozen=True)
class Run(Generic[S]):
    """One run of a product's line."""

    settings: S
    sources: Mapping[str, str]
    steps: Steps
    workers: Workers
    log_file: Path

    def step(
        self,
        name: str,
        make: Callable[[Path, S], None],
        inputs: Mapping[str, Path] | None = None,
        params: Mapping[str, Any] | None = None,
        version: int = 1,
        part: str = "",
        shared: bool = False,
    ) -> Path:
        """The finished folder of step `name` (of its `part`), filled by `make(folder, settings)`.

        `make` gets only the settings that name this step, and the key holds just these: see
        `settings.setting`. `params`: what else changes the result.
        """
        own = self.settings.only(name)
        key = {**self.settings.of(name), **(params or {})}
        folder = f"{name}_{part}" if part else name
        return self.steps.run(folder, lambda out: make(out, own), key, inputs, version, shared)

    @property
    def made(self) -> bool:
        """Whether anything had to be made."""
        return self.steps.made

    def given(self, name: str) -> bool:
        """Whether a setting was given, by whatever source."""
        return self.sources[name] != "default"


@contextmanager
def start(
    loaded: Loaded[S], product: str, name: str, label: str, networks: bool = True
) -> Iterator[Run[S]]:
    """A run, with its log file and workers; settings that differ from the defaults are logged.

    `name`: of the log file; `label`: what is made (the phrase, the language); `networks`: whether
    the line has any, for which Keras is loaded.
    """
    settings = loaded.settings
    log_file = log_to(settings.data_dir / "work" / "logs", name)
    for line in loaded.lines():
        level = logging.DEBUG if line.endswith(" default") else logging.INFO
        log.log(level, "  %s", line)
    if loaded.ignored:
        log.warning("ignored, as they change nothing here: %s", "; ".join(loaded.ignored))
    if networks:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # exports here; training may use its own
        with quiet():
            import keras  # noqa: F401
    redo = tuple(step.strip() for step in settings.redo.split(",") if step.strip())
    steps = Steps(settings.data_dir / "work", product, redo, label)
    with Workers(settings.workers or cores()) as workers:
        yield Run(settings, loaded.sources, steps, workers, log_file)
    steps.warn_of_unknown_redo()


def log_to(folder: Path, name: str) -> Path:
    """Log to the terminal and to a new file in `folder`; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}-{name}.log"
    start_log(str(path))
    return path


def log_summary(made: bool, rows: list[tuple[str, float]], seconds: float) -> None:
    """The table at the end of a run: time by stage, or that everything was up to date."""
    if made:
        log.info("\n%s\n", summary(rows, seconds))
    else:
        log.info("Nothing to do: this model is up to date (%.0f s to check).", seconds)
