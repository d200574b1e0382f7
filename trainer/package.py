"""The finished folder of a run: files appear together or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path


def deliver(files: Mapping[str, Path], folder: Path) -> Path:
    """Copy `files` (name -> source file or folder) into a new `folder`; returns it. Raises OSError."""
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, source in files.items():
        if source.is_dir():
            shutil.copytree(source, unfinished / name)
        else:
            shutil.copyfile(source, unfinished / name)
    unfinished.rename(folder)
    return folder
