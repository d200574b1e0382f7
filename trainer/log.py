"""What a user reads while a command runs: log lines, progress, and quiet libraries."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

log = logging.getLogger("trainer")
EVERY_SECONDS = 30.0


def start_log(*files: str) -> None:
    """Log to the terminal, and with DEBUG to `files`."""
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    form = "%(message)s" if sys.stderr.isatty() else "%(asctime)s %(message)s"
    terminal.setFormatter(logging.Formatter(form, "%H:%M:%S"))
    log.handlers[:] = [terminal]
    log.propagate = False  # libraries put handlers of their own on the root
    for path in files:
        file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


class progress:
    """A bar on a terminal; elsewhere a log line with rate and time left every 30 s."""

    def __init__(
        self, label: str, total: int, done: int = 0, unit: str = "it", shown: bool = True
    ) -> None:
        terminal = sys.stderr.isatty() or not shown
        hidden = not (terminal and shown)
        style: dict[str, Any] = {"unit": unit, "leave": False, "dynamic_ncols": True}
        self._bar = tqdm(total=total, initial=done, desc=label, disable=hidden, **style)
        self._label, self._total, self._unit = label, total, unit
        self._count = self._first = done
        self._terminal = terminal
        self._start = self._last = time.monotonic()

    def update(self, count: int, **values: float) -> None:
        """Count `count` more as done; `values` are shown next to the rate."""
        self._count += count
        self._bar.update(count)
        if values:
            self._bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=False)
        now = time.monotonic()
        if not self._terminal and now - self._last >= EVERY_SECONDS:
            self._last = now
            rate = (self._count - self._first) / (now - self._start)
            left = minutes((self._total - self._count) / rate) if rate > 0 else "?"
            extra = "".join(f", {k} {v:.4g}" for k, v in values.items())
            log.info(
                f"{self._label}: {self._count}/{self._total}, {rate:.3g} {self._unit}/s, "
                f"{left} left{extra}"
            )

    def __enter__(self) -> progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def minutes(seconds: float) -> str:
    """h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what TensorFlow's C++ prints while it loads and converts; show it if the block fails."""
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as spool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            for number in (1, 2):
                os.dup2(spool.fileno(), number)
            yield
        except BaseException:
            spool.seek(0)
            os.write(kept[1], spool.read()[-4000:])
            raise
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
