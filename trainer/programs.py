"""Run an external program: logged command, elapsed time, and the end of its output on failure."""

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log

REPORT_SECONDS = 30.0


class ProgramError(UserError):
    """A program that is missing, failed or took too long, with the end of its output."""


def run(
    command: Sequence[str],
    timeout_seconds: float | None = None,
    stdin: Path | None = None,
    stages: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run `command` and return its standard output. `stdin`: the file that it reads;
    `environment` instead of this process's; `folder`: where it runs.

    While it runs, a log line every 30 s gives the elapsed time and the last match of the pattern
    `stages` in its error output. Raises ProgramError.
    """
    if shutil.which(command[0], path=(environment or os.environ).get("PATH")) is None:
        raise ProgramError(f"{command[0]}: not installed here")
    log.debug("running %s", shlex.join(command))
    start = time.monotonic()
    with (
        stdin.open("rb") if stdin else nullcontext() as file,
        subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        ) as process,
    ):
        try:
            while process.returncode is None:
                try:
                    out, errors = process.communicate(timeout=REPORT_SECONDS)
                except subprocess.TimeoutExpired as running:
                    spent = time.monotonic() - start
                    if timeout_seconds is not None and spent > timeout_seconds:
                        raise ProgramError(
                            f"{command[0]}: not finished after {timeout_seconds:g} s"
                        ) from running
                    output = (running.stderr or b"").decode(errors="replace")
                    stage = re.findall(stages, output) if stages else []
                    where = f"{stage[-1]}, " if stage else ""
                    log.info("%s: %s%.0f s so far", command[0], where, spent)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        end = " ".join((errors or out).split()[-40:])
        raise ProgramError(f"{command[0]}: failed with exit code {process.returncode}: {end}")
    return out
