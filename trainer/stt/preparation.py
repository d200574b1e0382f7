"""Utterances to a store of log mels and labels; every clip that cannot be used is set aside with its reason."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio
from trainer.audio import AudioError
from trainer.clips import Row, Store
from trainer.mfcc import FILTERS, MFCCS, Features, cepstra
from trainer.readers import Utterance, lines
from trainer.text import Alphabet

CHUNK = 64
FRAMES_MULTIPLE = 32  # batches are padded to it: each new length is compiled once


class Mels(Store):
    """Log mel bands: float32 rows of 40, one a frame; `group` is the number of the utterance in utterances.jsonl. One product
    short of MFCCs, so that voices can be changed when a batch is made."""

    dtype = np.float32
    width = FILTERS

    def hours(self, features: Features) -> float:
        """Total length."""
        return features.seconds(int(self.index["length"].sum())) / 3600


class Joined:
    """Several sets as one, in order: the index of all clips, and their rows."""

    def __init__(self, sets: Sequence[Mels]) -> None:
        self._sets = sets
        self._first = np.cumsum([0, *(len(found) for found in sets)])
        self.index: np.ndarray = np.concatenate([found.index for found in sets]) if sets else np.zeros(0)

    def __len__(self) -> int:
        return len(self.index)

    def raw(self, i: int) -> np.ndarray:
        """Rows of clip i as stored."""
        which = int(np.searchsorted(self._first, i, side="right")) - 1
        return self._sets[which].raw(i - int(self._first[which]))


@dataclass(frozen=True)
class Clips:
    """A set: log mels, labels and names, in the order of the store."""

    frames: Mels | Joined
    labels: Sequence[np.ndarray]
    names: Sequence[Utterance]
    features: Features

    @property
    def longest(self) -> int:
        """Labels of the longest transcript."""
        return max((len(text) for text in self.labels), default=1)


def padded_frames(longest: int) -> int:
    """Frames of a batch whose longest clip has so many."""
    return -(-longest // FRAMES_MULTIPLE) * FRAMES_MULTIPLE


def mfcc_batch(mels: Sequence[np.ndarray]) -> np.ndarray:
    """Log mels of clips -> MFCCs (b, t, 26), padded with zeros."""
    x = np.zeros((len(mels), padded_frames(max(map(len, mels))), MFCCS), np.float32)
    for row, frames in enumerate(mels):
        x[row, : len(frames)] = cepstra(frames)
    return x


@dataclass(frozen=True)
class ImportPlan:
    """Utterances to read: the folder of their lists, one file a chunk, the limits for clips, and what is made of them."""

    folder: str
    alphabet: Alphabet
    max_seconds: float
    features: Features


def frames_needed(labels: Sequence[Any] | np.ndarray) -> int:
    """Frames that CTC needs for labels: one each, and a blank between two that are equal."""
    return len(labels) + sum(bool(a == b) for a, b in pairwise(labels))


def write_lists(folder: Path, utterances: Iterable[Utterance]) -> int:
    """lists/<chunk>.jsonl under `folder`; returns how many utterances there are."""
    place, count = folder / "lists", 0
    place.mkdir(parents=True, exist_ok=True)
    batch: list[Utterance] = []
    for utterance in utterances:
        batch.append(utterance)
        count += 1
        if len(batch) == CHUNK:
            _write(place / f"{count // CHUNK - 1:06d}.jsonl", batch)
            batch = []
    if batch:
        _write(place / f"{count // CHUNK:06d}.jsonl", batch)
    return count


def _write(path: Path, utterances: Sequence[Utterance]) -> None:
    path.write_text("".join(json.dumps(asdict(u), ensure_ascii=False) + "\n" for u in utterances), encoding="utf-8")


def import_chunk(plan: ImportPlan, chunk: int) -> Iterator[Row]:
    """Log mels of one list; rejected/<chunk>.csv tells of the others."""
    folder, rejected = Path(plan.folder), []
    for number, line in enumerate(lines(folder / "lists" / f"{chunk:06d}.jsonl")):
        utterance = Utterance(**json.loads(line))
        try:
            yield frames_of(utterance, plan.alphabet, plan.max_seconds, plan.features), chunk * CHUNK + number, -1
        except (AudioError, ValueError) as error:
            rejected.append((utterance.path, f"{error}", utterance.transcript))
    aside = folder / "rejected"
    aside.mkdir(exist_ok=True)
    with (aside / f"{chunk:06d}.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rejected)


def frames_of(utterance: Utterance, alphabet: Alphabet, max_seconds: float, features: Features) -> np.ndarray:
    """Log mels of one clip. Raises AudioError, or ValueError with the reason why it cannot be trained on."""
    if missing := alphabet.missing(utterance.transcript):
        raise ValueError(f"characters outside the alphabet: {' '.join(missing)}")
    samples = audio.read(Path(utterance.path), utterance.start, utterance.end, utterance.channel, features.sample_rate_hz)
    seconds = len(samples) / features.sample_rate_hz
    if seconds > max_seconds:
        raise ValueError(f"longer than {max_seconds:g} s: {seconds:.1f} s")
    as_clients = audio.to_float(audio.to_int16(samples))  # in silence the rounding is all there is
    frames = features.log_mels(features.padded(as_clients))
    needed = frames_needed(alphabet.encode(utterance.transcript))
    if len(frames) < needed:
        raise ValueError(f"too short for its transcript: {len(frames)} frames, {needed} needed")
    return frames


def finish_lists(folder: Path) -> None:
    """utterances.jsonl and rejected.csv from the chunks."""
    listed, aside = sorted((folder / "lists").iterdir()), sorted((folder / "rejected").iterdir())
    (folder / "utterances.jsonl").write_text("".join(p.read_text(encoding="utf-8") for p in listed), encoding="utf-8")
    with (folder / "rejected.csv").open("w", newline="", encoding="utf-8") as out:
        out.write("path,reason,transcript\r\n" + "".join(p.read_text(encoding="utf-8") for p in aside))
    for path in [*listed, *aside]:
        path.unlink()
    (folder / "lists").rmdir()
    (folder / "rejected").rmdir()


def rejected(folder: Path) -> list[tuple[str, str, str]]:
    """(path, reason, transcript) of the clips that were set aside."""
    with (folder / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return [(row["path"], row["reason"], row["transcript"]) for row in csv.DictReader(file)]


def short_reason(reason: str) -> str:
    """What clips with like reasons have in common."""
    return reason.split(":", maxsplit=1)[0].split("(", maxsplit=1)[0].strip()


def join_rejected(folders: Sequence[Path], more: Sequence[tuple[str, str, str, str]], path: Path) -> None:
    """One rejected.csv of all sets: path, use, reason, transcript."""
    with path.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(("path", "use", "reason", "transcript"))
        table.writerows(more)
        for folder in folders:
            use = folder.parent.name.split("_")[1]
            table.writerows((p, use, reason, text) for p, reason, text in rejected(folder))


def utterances_kept(folder: Path) -> list[Utterance]:
    """Those of the clips that are stored, in order."""
    kept = Mels(folder).index["group"]
    told = lines(folder / "utterances.jsonl")
    return [Utterance(**json.loads(told[group])) for group in kept]


def transcripts(folder: Path) -> list[str]:
    """What is said in the stored clips."""
    return [u.transcript for u in utterances_kept(folder)]
