"""The finished folder of a run: files appear together or not at all, and once."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from trainer.steps import lock, new_folder

DELIVERED = "delivered"  # in a step: where its files were delivered to


def deliver(
    step: Path, output: Path, name: str, files: Callable[[], Mapping[str, Path]], proof: str = ""
) -> tuple[Path, bool]:
    """(`<output>/<time>-<name>` with the files of a finished step, whether it was made now).

    A step is delivered once, also when two runs reach it together. `files`: name -> source file
    or folder; `proof`: the file without which the folder is made again. Raises OSError.
    """
    pointer = step / DELIVERED
    with lock(step.parents[1] / "output.lock", "package"):
        if pointer.exists() and (Path(pointer.read_text()) / proof).exists():
            return Path(pointer.read_text()), False
        folder = new_folder(output, name)
        _copy(files(), folder)
        pointer.write_text(str(folder))
        return folder, True


def _copy(files: Mapping[str, Path], folder: Path) -> None:
    for left in folder.parent.glob(".*.partial"):  # of a run that was killed
        shutil.rmtree(left)
    unfinished = folder.with_name(f".{folder.name}.partial")
    unfinished.mkdir(parents=True)
    for name, source in files.items():
        if source.is_dir():
            shutil.copytree(source, unfinished / name)
        else:
            shutil.copyfile(source, unfinished / name)
    unfinished.rename(folder)
