"""Utterances to a store of log mels and labels; every clip that cannot be used is set aside with its reason."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio
from trainer.audio import SAMPLE_RATE_HZ, AudioError
from trainer.clips import Row, Store
from trainer.mfcc import FILTERS, log_mels, padded
from trainer.readers import Utterance
from trainer.text import Alphabet, normal

CHUNK = 64


class Mels(Store):
    """Log mel bands: float32 rows of 40, 20 ms each; `group` is the number of the utterance in utterances.jsonl. One product
    short of MFCCs, so that voices can be changed when a batch is made."""

    dtype = np.float32
    width = FILTERS


@dataclass(frozen=True)
class ImportPlan:
    """Utterances to read: the folder of their lists, one file a chunk, and the limits for clips."""

    folder: str
    labels: tuple[str, ...]
    max_seconds: float


def frames_needed(labels: Sequence[Any]) -> int:
    """Frames that CTC needs for labels: one each, and a blank between two that are equal."""
    return len(labels) + sum(bool(a == b) for a, b in pairwise(labels))


def write_lists(folder: Path, utterances: Iterable[Utterance]) -> int:
    """lists/<chunk>.jsonl under `folder`; returns how many utterances there are."""
    lists, count = folder / "lists", 0
    lists.mkdir(parents=True, exist_ok=True)
    batch: list[Utterance] = []
    for utterance in utterances:
        batch.append(utterance)
        count += 1
        if len(batch) == CHUNK:
            _write(lists / f"{count // CHUNK - 1:06d}.jsonl", batch)
            batch = []
    if batch:
        _write(lists / f"{count // CHUNK:06d}.jsonl", batch)
    return count


def _write(path: Path, utterances: Sequence[Utterance]) -> None:
    path.write_text("".join(json.dumps(asdict(u), ensure_ascii=False) + "\n" for u in utterances), encoding="utf-8")


def import_chunk(plan: ImportPlan, chunk: int) -> Iterator[Row]:
    """Log mels of one list; rejected/<chunk>.csv tells of the others."""
    folder, rejected = Path(plan.folder), []
    alphabet = Alphabet(plan.labels)
    for number, line in enumerate((folder / "lists" / f"{chunk:06d}.jsonl").read_text(encoding="utf-8").splitlines()):
        utterance = Utterance(**json.loads(line))
        try:
            yield frames_of(utterance, alphabet, plan.max_seconds), chunk * CHUNK + number, -1
        except (AudioError, ValueError) as error:
            rejected.append((utterance.path, f"{error}", utterance.transcript))
    aside = folder / "rejected"
    aside.mkdir(exist_ok=True)
    with (aside / f"{chunk:06d}.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rejected)


def frames_of(utterance: Utterance, alphabet: Alphabet, max_seconds: float) -> np.ndarray:
    """Log mels of one clip. Raises AudioError, or ValueError with the reason why it cannot be trained on."""
    text = normal(utterance.transcript)
    if not text:
        raise ValueError("empty transcript")
    if missing := alphabet.missing(text):
        raise ValueError(f"characters outside the alphabet: {' '.join(missing)}")
    samples = audio.read(Path(utterance.path))
    seconds = len(samples) / SAMPLE_RATE_HZ
    if seconds > max_seconds:
        raise ValueError(f"longer than {max_seconds:g} s: {seconds:.1f} s")
    frames = log_mels(padded(samples))
    needed = frames_needed(text)
    if len(frames) < needed:
        raise ValueError(f"too short for its transcript: {len(frames)} frames, {needed} needed")
    return frames


def finish_lists(folder: Path) -> None:
    """utterances.jsonl and rejected.csv from the chunks."""
    lists, aside = sorted((folder / "lists").iterdir()), sorted((folder / "rejected").iterdir())
    (folder / "utterances.jsonl").write_text("".join(p.read_text(encoding="utf-8") for p in lists), encoding="utf-8")
    with (folder / "rejected.csv").open("w", newline="", encoding="utf-8") as out:
        out.write("path,reason,transcript\r\n" + "".join(p.read_text(encoding="utf-8") for p in aside))
    for path in [*lists, *aside]:
        path.unlink()
    (folder / "lists").rmdir()
    (folder / "rejected").rmdir()


def reasons(folder: Path) -> Counter[str]:
    """Why clips were set aside, with counts."""
    with (folder / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return Counter(row["reason"].split(":")[0].split("(")[0].strip() for row in csv.DictReader(file))


def utterances(folder: Path) -> list[Utterance]:
    """All utterances of a set, by number, the rejected ones too."""
    return [Utterance(**json.loads(line)) for line in (folder / "utterances.jsonl").read_text(encoding="utf-8").splitlines()]
