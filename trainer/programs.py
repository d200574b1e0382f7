"""Run an external program: logged command, time limit, the end of its output on failure; and keep libraries quiet."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

log = logging.getLogger("trainer")


class ProgramError(Exception):
    """A program that is missing, failed or took too long; one line with the end of its output."""


def run(command: Sequence[str], timeout_seconds: float, environment: Mapping[str, str] | None = None) -> str:
    """Its standard output. Raises ProgramError."""
    if shutil.which(command[0]) is None:
        raise ProgramError(f"{command[0]}: not installed here")
    log.debug("running %s", shlex.join(command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{command[0]}: not finished after {timeout_seconds:g} s") from error
    if done.returncode != 0:
        end = " ".join((done.stderr or done.stdout).split()[-40:])
        raise ProgramError(f"{command[0]}: failed with exit code {done.returncode}: {end}")
    return done.stdout


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
