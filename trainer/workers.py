"""A pool of worker processes with progress, and processes of their own for what needs one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TypeVar

from trainer.errors import Stopped, UserError
from trainer.log import log, progress, quiet, start_log
from trainer.machine import check_backend

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Workers:
    """Processes that start when first used and stop with the context; one thread may use them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            if error is not None:
                for process in processes:
                    process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, function: Callable[[Item], Outcome], items: Iterable[Item]) -> list[Outcome]:
        """As `run`, without showing progress."""
        return self.run(function, items, "")

    def run(
        self,
        function: Callable[[Item], Outcome],
        items: Iterable[Item],
        label: str,
        done: int = 0,
        total: int | None = None,
    ) -> list[Outcome]:
        """function(item) of all items, in order. Raises UserError when a process is killed."""
        items = list(items)
        if not items:
            return []
        if self._pool is None:
            # spawned, not forked: TensorFlow and audio libraries may already hold threads here
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=_start_worker)
        pending = {self._pool.submit(function, item): i for i, item in enumerate(items)}
        results: dict[int, Outcome] = {}
        count = total if total is not None else len(items)
        with progress(label, count, done, shown=bool(label)) as bar:
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        results[pending.pop(future)] = future.result()
                    except BrokenProcessPool as error:
                        self._pool = None
                        raise UserError(
                            f"{label}: a worker process was killed, most likely for lack of "
                            "memory; give the container more memory, or set WORKERS=1, and run "
                            "the same command again"
                        ) from error
                    bar.update(1)
        return [results[i] for i in range(len(items))]


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.nice(5)


def in_fresh_process(function: Callable[..., None], *arguments: object) -> None:
    """function(*arguments) in a forked child: for libraries whose results depend on past calls.

    A UserError of the function is raised here, and so is a crash of the child.
    """
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def call() -> None:
        try:
            function(*arguments)
        except UserError as error:
            send.send(f"{error}")
            raise SystemExit(1) from error

    child = context.Process(target=call)
    child.start()
    send.close()
    child.join()
    _raise_error_of(
        child, receive, "a library crashed (signal {}); run again with another --seed or --engine"
    )


def _raise_error_of(child: BaseProcess, receive: Connection, crashed: str) -> None:
    """UserError with the text that a failed child sent, or with `crashed` and its signal."""
    if child.exitcode == 0:
        return
    try:
        text = str(receive.recv())
    except EOFError:
        code = child.exitcode or 0
        if code > 0:  # its traceback is on the terminal
            raise RuntimeError(f"a child process ended with exit code {code}") from None
        text = crashed.format(-code)
    raise UserError(text)


def in_backend(name: str, function: Callable[..., None], *arguments: object) -> None:
    """function(*arguments) where Keras runs on `name`: here, or in a new process, as a process has
    one backend and exporting needs TensorFlow.

    `function` must be a top-level function. SIGTERM is passed on, and the child's end waited for.
    Raises the UserError of the child here, and UserError where that library is not installed.
    """
    if name == os.environ.get("KERAS_BACKEND", "tensorflow"):
        function(*arguments)
        return
    check_backend(name)
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    logs = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
    child = context.Process(target=_call_in_backend, args=(name, logs, send, function, arguments))
    # before the child begins: Keras is imported where `function` is, and chooses only then
    own = os.environ.get("KERAS_BACKEND", "")
    os.environ["KERAS_BACKEND"] = name
    try:
        child.start()
    finally:
        os.environ["KERAS_BACKEND"] = own
    send.close()
    try:
        child.join()
    except BaseException as stop:
        if not isinstance(stop, KeyboardInterrupt):  # a terminal sends Ctrl-C to both
            child.terminate()
        child.join()
        raise
    _raise_error_of(child, receive, "training ended with signal {}, most likely for lack of memory")


def _call_in_backend(
    name: str,
    logs: list[str],
    send: Connection,
    function: Callable[..., None],
    arguments: tuple[object, ...],
) -> None:
    start_log(*logs)
    try:
        with quiet():
            import keras
        if keras.backend.backend() != name:
            raise RuntimeError(f"Keras runs on {keras.backend.backend()} instead of {name}")
        function(*arguments)
    except (UserError, Stopped) as error:
        send.send(f"{error}")
        raise SystemExit(1) from None
