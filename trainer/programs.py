"""Run an external program: logged command, how long it takes, the end of its output on failure; and keep libraries quiet."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

log = logging.getLogger("trainer")
TOLD_EVERY_SECONDS = 30.0


class ProgramError(Exception):
    """A program that is missing, failed or took too long; one line with the end of its output."""


def run(command: Sequence[str], timeout_seconds: float | None = None, given: Path | None = None, stages: str = "") -> str:
    """Its standard output; `given`: the file that it reads. While it runs a line every 30 s tells how long it has, and the last match of the
    pattern `stages` in what it tells. Raises ProgramError."""
    if shutil.which(command[0]) is None:
        raise ProgramError(f"{command[0]}: not installed here")
    log.debug("running %s", shlex.join(command))
    start = time.monotonic()
    with given.open("rb") if given else nullcontext() as file, \
            subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.returncode is None:
                try:
                    out, errors = process.communicate(timeout=TOLD_EVERY_SECONDS)
                except subprocess.TimeoutExpired as running:
                    spent = time.monotonic() - start
                    if timeout_seconds is not None and spent > timeout_seconds:
                        raise ProgramError(f"{command[0]}: not finished after {timeout_seconds:g} s") from running
                    stage = re.findall(stages, (running.stderr or b"").decode(errors="replace")) if stages else []
                    log.info("%s: %s%.0f s so far", command[0], f"{stage[-1]}, " if stage else "", spent)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        end = " ".join((errors or out).split()[-40:])
        raise ProgramError(f"{command[0]}: failed with exit code {process.returncode}: {end}")
    return out


@contextmanager
def quiet() -> Iterator[None]:
    """TensorFlow's C++ talks on stdout and stderr while it loads and converts: keep that for the case that it fails."""
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
