"""A pool of worker processes with progress, and what `docker stop` does to it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from tqdm import tqdm

from trainer.programs import quiet

log = logging.getLogger("trainer")


class WorkerError(Exception):
    """A worker died; one line."""


class Workers:
    """Processes that start when first used and stop with the context. One at a time may be used by one thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            if error is not None:
                for process in processes:
                    process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """As `run`, without showing progress."""
        return self.run(function, items, "")

    def run(self, function: Callable[[Any], Any], items: Iterable[Any], label: str, done: int = 0, total: int | None = None) -> list[Any]:
        """function(item) for all items, results in order of the items. Raises WorkerError when a process is killed."""
        items = list(items)
        if not items:
            return []
        if self._pool is None:
            # spawned, not forked: TensorFlow and audio libraries may already hold threads here
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=_start_worker)
        pending = {self._pool.submit(function, item): i for i, item in enumerate(items)}
        results: list[Any] = [None] * len(items)
        with progress(label, total if total is not None else len(items), done, shown=bool(label)) as bar:
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        results[pending.pop(future)] = future.result()
                    except BrokenProcessPool as error:
                        self._pool = None
                        raise WorkerError(
                            f"{label}: a worker process was killed, most likely for lack of memory; "
                            "give the container more memory, or set WORKERS=1, and run the same command again"
                        ) from error
                    bar.update(1)
        return results


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.nice(5)


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> None:
    """function(*arguments) in a forked child: for libraries whose results depend on all that they did before.

    Raises what the function raised, as a WorkerError with its text, or that the child was killed.
    """
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def call() -> None:
        try:
            function(*arguments)
        except Exception as error:
            send.send(f"{error}")
            raise SystemExit(1) from error

    child = context.Process(target=call)
    child.start()
    send.close()
    child.join()
    _raise_what_it_told(child, receive, "a library crashed (signal {}); run again with another --seed or --engine")


def _raise_what_it_told(child: BaseProcess, receive: Connection, silent: str) -> None:
    """WorkerError with the text that a failed child sent; with `silent`, filled with its signal, when it could not tell."""
    if child.exitcode == 0:
        return
    try:
        told = str(receive.recv())
    except EOFError:
        told = silent.format(-(child.exitcode or 0))
    raise WorkerError(told)


def in_backend(name: str, function: Callable[..., Any], *arguments: Any) -> None:
    """function(*arguments) in a new process whose Keras runs on `name`. SIGTERM is handed on, and its end waited for.

    `function` must be a top-level function. Raises WorkerError with the text of what it raised.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    logs = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
    child = context.Process(target=_call_in_backend, args=(name, logs, send, function, arguments))
    child.start()
    send.close()
    try:
        child.join()
    except BaseException as stop:
        if not isinstance(stop, KeyboardInterrupt):  # a terminal sends Ctrl-C to both
            child.terminate()
        child.join()
        raise
    _raise_what_it_told(child, receive, "training ended with signal {}, most likely for lack of memory")


def _call_in_backend(name: str, logs: list[str], send: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ["KERAS_BACKEND"] = name
    start_log(*logs)
    try:
        with quiet():
            import keras  # noqa: F401
        function(*arguments)
    except ModuleNotFoundError as error:
        send.send(f"{error.name} is not in the Python environment: start the container with -e KERAS_BACKEND={name}, so that it is built for it")
        raise SystemExit(1) from None
    except Exception as error:
        send.send(f"{error}")
        raise SystemExit(1) from None


def start_log(*files: str) -> None:
    """Log to the terminal, and with DEBUG to files."""
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter("%(message)s" if sys.stderr.isatty() else "%(asctime)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [terminal]
    log.propagate = False  # libraries put handlers of their own on the root
    for path in files:
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


class progress:
    """A bar on a terminal; elsewhere a log line with rate and time left every 30 s."""

    def __init__(self, label: str, total: int, done: int = 0, unit: str = "it", shown: bool = True) -> None:
        terminal = sys.stderr.isatty() or not shown
        self._bar = tqdm(total=total, initial=done, desc=label, unit=unit, disable=not (terminal and shown), leave=False, dynamic_ncols=True)
        self._label, self._total, self._count, self._first, self._unit = label, total, done, done, unit
        self._terminal, self._start = terminal, time.monotonic()
        self._last = self._start

    def update(self, count: int, **values: float) -> None:
        """Count `count` more done; `values` are shown beside."""
        self._count += count
        self._bar.update(count)
        if values:
            self._bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=False)
        now = time.monotonic()
        if not self._terminal and now - self._last >= 30:
            self._last = now
            rate = (self._count - self._first) / (now - self._start)
            left = minutes((self._total - self._count) / rate) if rate > 0 else "?"
            extra = "".join(f", {k} {v:.4g}" for k, v in values.items())
            log.info("%s: %d/%d, %.3g %s/s, %s left%s", self._label, self._count, self._total, rate, self._unit, left, extra)

    def __enter__(self) -> progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def minutes(seconds: float) -> str:
    """h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def split_evenly(total: int, size: int) -> Iterator[range]:
    """Ranges of at most `size` that cover 0 ... total."""
    for start in range(0, total, size):
        yield range(start, min(start + size, total))
