"""SIGTERM: everything unwinds, and the process ends in the ten seconds that `docker stop` waits.

Python answers signals between its instructions only: a thread watches for those that arrive while
TensorFlow compiles or converts. Ending at once is safe: finished steps are those that were renamed.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from trainer.errors import Stopped

SAVED = "stopped; finished work is kept: run the same command to go on"
GRACE_SECONDS = 8.0
EXIT_CODE = 143


def install() -> None:
    """Handle SIGTERM in this process; call it from the main thread."""
    signal.signal(signal.SIGTERM, _terminate)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def leave(message: str) -> NoReturn:
    """End the process at once, workers included, without the teardown of libraries."""
    print(message or SAVED, file=sys.stderr, flush=True)  # noqa: T201
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(EXIT_CODE)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, _again)
    raise Stopped(SAVED)


def _again(number: int, frame: FrameType | None) -> None:
    leave("stopped at once; finished work is kept")


def _watch(reader: int) -> None:
    """End the process if it has not ended in time after its first SIGTERM."""
    while data := os.read(reader, 64):
        if signal.SIGTERM in data:
            time.sleep(GRACE_SECONDS)
            leave(SAVED)
