"""Utterances to a store of log mels with transcripts; clips that cannot be used are rejected."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.mfcc import FILTERS, MFCCS, Features, cepstra
from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.store import Row, Store
from trainer.text.alphabet import Alphabet
from trainer.text.characters import shown
from trainer.training.buckets import frames_needed, padded_frames

CHUNK = 64


class Mels(Store):
    """Log mel bands: float32 rows of 40, one a frame; `group`: line of utterances.jsonl.

    MFCCs are one matrix product away, so that batches can change voices.
    """

    dtype = np.float32
    width = FILTERS

    def hours(self, step_ms: int) -> float:
        """Total length, at `step_ms` milliseconds a frame."""
        return int(self.index["length"].sum()) * step_ms / 3_600_000


class Joined:
    """Several sets as one, in order: the index of all clips, and their rows."""

    def __init__(self, sets: Sequence[Mels]) -> None:
        self._sets = sets
        self._first = np.cumsum([0, *(len(found) for found in sets)])
        self.index: np.ndarray = (
            np.concatenate([found.index for found in sets]) if sets else np.zeros(0)
        )

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


def mfcc_batch(mels: Sequence[np.ndarray]) -> np.ndarray:
    """Log mels of clips -> MFCCs (b, t, 26), padded with zeros."""
    x = np.zeros((len(mels), padded_frames(max(map(len, mels))), MFCCS), np.float32)
    for row, frames in enumerate(mels):
        x[row, : len(frames)] = cepstra(frames)
    return x


@dataclass(frozen=True)
class ImportPlan:
    """Utterances to read (one list in `folder` a chunk), limits for clips, and their features."""

    folder: str
    alphabet: Alphabet
    max_seconds: float
    features: Features


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
    path.write_text(
        "".join(json.dumps(asdict(u), ensure_ascii=False) + "\n" for u in utterances),
        encoding="utf-8",
        errors="backslashreplace",  # names that are not UTF-8, as JSON escapes
    )


def import_chunk(plan: ImportPlan, chunk: int) -> Iterator[Row | Rejected]:
    """Log mels of one list's clips, or why a clip is rejected."""
    for number, line in enumerate(lines(Path(plan.folder) / "lists" / f"{chunk:06d}.jsonl")):
        utterance = Utterance(**json.loads(line))
        try:
            frames = frames_of(utterance, plan.alphabet, plan.max_seconds, plan.features)
            yield frames, chunk * CHUNK + number, -1
        except UserError as error:
            yield Rejected(utterance.path, str(error), utterance.transcript)


def frames_of(
    utterance: Utterance, alphabet: Alphabet, max_seconds: float, features: Features
) -> np.ndarray:
    """Log mels of one clip. Raises AudioError, or UserError if it cannot be trained on."""
    if missing := alphabet.missing(utterance.transcript):
        raise UserError(f"characters outside the alphabet: {' '.join(map(shown, missing))}")
    u, rate = utterance, features.sample_rate_hz
    samples = audio.read(Path(u.path), u.start, u.end, u.channel, rate)
    seconds = len(samples) / rate
    if seconds > max_seconds:
        raise UserError(f"longer than {max_seconds:g} s: {seconds:.1f} s")
    as_clients = audio.to_float(audio.to_int16(samples))  # silence consists of rounding
    frames = features.log_mels(features.padded(as_clients))
    needed = frames_needed(alphabet.encode(utterance.transcript))
    if len(frames) < needed:
        raise UserError(f"too short for its transcript: {len(frames)} frames, {needed} needed")
    return frames


def finish_lists(folder: Path) -> None:
    """utterances.jsonl from the lists."""
    listed = sorted((folder / "lists").iterdir())
    text = "".join(path.read_text(encoding="utf-8") for path in listed)
    (folder / "utterances.jsonl").write_text(text, encoding="utf-8")
    for path in listed:
        path.unlink()
    (folder / "lists").rmdir()


def utterances_kept(folder: Path) -> list[Utterance]:
    """Those of the clips that are stored, in order."""
    kept = Mels(folder).index["group"]
    found = lines(folder / "utterances.jsonl")
    return [Utterance(**json.loads(found[group])) for group in kept]


def transcripts(folder: Path) -> list[str]:
    """Transcripts of the stored clips."""
    return [u.transcript for u in utterances_kept(folder)]


def load(folders: Iterable[Path], alphabet: Alphabet, features: Features) -> Clips:
    """Stored sets as one for training."""
    folders = list(folders)
    found = [u for folder in folders for u in utterances_kept(folder)]
    labels = [np.array(alphabet.encode(u.transcript), np.int32) for u in found]
    return Clips(Joined([Mels(folder) for folder in folders]), labels, found, features)
