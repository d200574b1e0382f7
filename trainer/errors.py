"""The errors that a user gets in one line. Anything else is a bug and keeps its traceback."""

import errno
import os
from pathlib import Path


class UserError(Exception):
    """What happened, to which file, and what to do about it. Becomes one line and exit code 1."""


class Stopped(BaseException):
    """SIGTERM or Ctrl-C: everything unwinds, finished work stays. Exit code 143."""


def from_system(error: OSError | MemoryError) -> UserError | None:
    """The UserError for what the machine refuses: memory, disk, permissions, paths. Else None."""
    if isinstance(error, MemoryError):
        return UserError(
            "out of memory: give the container more, or set WORKERS=1 and a smaller batch size; "
            "then run the same command again"
        )
    path = error.filename
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        unreadable = path and Path(path).is_file() and not os.access(path, os.R_OK)
        verb = "read" if unreadable else "written"
        return UserError(f"{path} cannot be {verb} by uid {os.getuid()}; chown, or run with --user")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"{path or 'the disk'}: the disk is full; free some space (`trainer clean` removes "
            "old steps) and run the same command again: finished work is kept"
        )
    if path and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO):
        return UserError(f"{path}: {error.strerror}")
    return None
