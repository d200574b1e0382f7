"""Run an external program: logged command, time limit, the end of its output on failure."""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence

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
