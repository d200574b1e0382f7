"""Stores of clips on disk: one raw file, memory-mapped, and an index.

They are built in chunks by many workers, so that an interrupted build resumes, and are never held
in memory as a whole. `Clips` holds audio; products define what else they store.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from trainer import rejected
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, to_float, to_int16
from trainer.log import progress
from trainer.rejected import Rejected
from trainer.workers import Workers, in_fresh_process

Plan = TypeVar("Plan")
INDEX = np.dtype(
    [("start", np.int64), ("length", np.int64), ("group", np.int32), ("mark", np.int64)]
)
Row = tuple[np.ndarray, int, int]  # data, group, mark


class Store:
    """Read-only view of the clips in a folder.

    `index`: start and length of each clip in rows of the raw file; `group`: clips of one group
    (a voice, a recording) belong on one side of a split; `mark`: end of the phrase, or -1.
    """

    dtype: type = np.uint8
    width = 1

    def __init__(self, folder: Path) -> None:
        self.index: np.ndarray = np.load(folder / "index.npy")
        path = folder / "data.raw"
        rows = path.stat().st_size // (np.dtype(self.dtype).itemsize * self.width)
        shape = (rows, self.width) if self.width > 1 else (rows,)
        self.data: np.ndarray = (
            np.memmap(path, self.dtype, "r", shape=shape) if rows else np.zeros(shape, self.dtype)
        )

    def __len__(self) -> int:
        return len(self.index)

    def raw(self, i: int) -> np.ndarray:
        """Rows of clip i as stored."""
        start, length = int(self.index["start"][i]), int(self.index["length"][i])
        return self.data[start : start + length]


class Clips(Store):
    """Audio at 16 kHz; `clips[i]` is float32 in [-1, 1)."""

    dtype = np.int16

    def __getitem__(self, i: int) -> Audio:
        return to_float(self.raw(i))

    def piece(self, i: int, offset: int, length: int) -> Audio:
        """`length` samples of clip i from `offset`, repeated from its start."""
        raw = self.raw(i)
        if offset + length <= len(raw):
            return to_float(raw[offset : offset + length])
        return to_float(raw[(offset + np.arange(length)) % len(raw)])

    @property
    def seconds(self) -> float:
        """Total length."""
        return float(self.index["length"].sum()) / SAMPLE_RATE_HZ


def audio_row(samples: Audio, group: int = 0, mark: int = -1) -> Row:
    """A row for a `Clips` store."""
    return to_int16(samples), group, mark


def build(
    folder: Path,
    make: Callable[[Plan, int], Iterable[Row | Rejected]],
    plan: Plan,
    chunks: int,
    label: str,
    workers: Workers | None,
    fresh: bool = False,
) -> None:
    """Fill `folder` with a store from `make(plan, chunk)` for each chunk; finished chunks are kept.

    What `make` yields as Rejected goes into rejected.csv. `make` must be a top-level function that
    depends on its arguments alone: the store is then the same whatever the number of workers and
    however often it was interrupted. `fresh`: each chunk in a process of its own, for libraries
    that remember past calls; `plan.warm_up()` is called before, to load what may be shared.
    Without workers, everything runs in this process.
    """
    parts = folder / "chunks"
    parts.mkdir(parents=True, exist_ok=True)
    missing = [c for c in range(chunks) if not (parts / f"{c:06d}.npy").exists()]
    done = chunks - len(missing)
    if workers is None:
        with progress(label, chunks, done) as bar:
            for chunk in missing:
                _write_chunk(parts, make, plan, chunk)
                bar.update(1)
    else:
        write = partial(_fresh_chunk if fresh else _write_chunk, parts, make, plan)
        workers.run(write, missing, label, done=done, total=chunks)
    _join(parts, folder, chunks)


def _fresh_chunk(
    parts: Path, make: Callable[[Any, int], Iterable[Row | Rejected]], plan: Any, chunk: int
) -> None:
    plan.warm_up()
    in_fresh_process(_write_chunk, parts, make, plan, chunk)


def _write_chunk(
    parts: Path, make: Callable[[Any, int], Iterable[Row | Rejected]], plan: Any, chunk: int
) -> None:
    table, start, refused = [], 0, []
    with (parts / f"{chunk:06d}.raw").open("wb") as out:
        for found in make(plan, chunk):
            if isinstance(found, Rejected):
                refused.append(found)
                continue
            data, group, mark = found
            np.ascontiguousarray(data).tofile(out)
            table.append((start, len(data), group, mark))
            start += len(data)
    rejected.write(parts / f"{chunk:06d}.csv", refused)
    unfinished = parts / f"{chunk:06d}.tmp"
    with unfinished.open("wb") as out:
        np.save(out, np.array(table, INDEX))
    unfinished.replace(parts / f"{chunk:06d}.npy")  # last: now the chunk counts as finished


def _join(parts: Path, folder: Path, chunks: int) -> None:
    """Chunks in order -> data.raw, index.npy and rejected.csv."""
    tables, start, refused = [], 0, []
    with (folder / "data.raw").open("wb") as out:
        for chunk in range(chunks):
            table = np.load(parts / f"{chunk:06d}.npy")
            table["start"] += start
            tables.append(table)
            refused += rejected.read(parts / f"{chunk:06d}.csv")
            with (parts / f"{chunk:06d}.raw").open("rb") as part:
                while block := part.read(1 << 24):
                    out.write(block)
            start += int(table["length"].sum())
    rejected.write(folder / rejected.FILE, refused)
    np.save(folder / "index.npy", np.concatenate(tables) if tables else np.zeros(0, INDEX))
    # .npy first: a chunk without its table is made again
    for path in sorted(parts.iterdir(), key=lambda path: path.suffix != ".npy"):
        path.unlink()
    parts.rmdir()
