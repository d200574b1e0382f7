"""A manifest as a data set: clips that can be used, decoded once, their labels and features."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer import rejected, store
from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.data import manifest
from trainer.data.manifest import Row
from trainer.data.processor import AudioProcessor
from trainer.errors import UserError
from trainer.log import log
from trainer.machine import data_folder
from trainer.rejected import Rejected
from trainer.serialization import serializable
from trainer.steps import Steps, write_record
from trainer.text.alphabet import Alphabet, alphabet_of
from trainer.text.characters import shown
from trainer.workers import Workers

if TYPE_CHECKING:
    from trainer.data.loader import AudioLoader

CHUNK = 256  # clips
VERSION = 1  # of the decoded audio


@serializable
class AudioDataset:
    """The clips of a manifest (CSV or JSON lines; see trainer.data.manifest) or of any table that
    `stt` reads. Paths of clips are relative to its folder.

    `split`: only rows of it. `labels`: characters of the transcripts; those found, if empty.
    `seconds`: shortest and longest clip that is used. Raises UserError where nothing is left.
    """

    path: Path
    processor: AudioProcessor
    split: str = ""
    labels: tuple[str, ...] = ()
    seconds: tuple[float, float] = (0.1, 30.0)
    lowercase: bool = True

    def __post_init__(self) -> None:
        self.path = Path(self.path).absolute()
        low, high = self.seconds
        self.seconds = low, high
        self.use_labels(tuple(self.labels) or alphabet_of(self._texts).labels)

    def use_labels(self, labels: tuple[str, ...]) -> None:
        """Encode transcripts with these labels, in this order; before any clip is read."""
        self.labels, self.alphabet = labels, Alphabet(labels)
        self._folder: Path | None = None

    @cached_property
    def _table(self) -> list[Row]:
        rows = manifest.read(self.path)
        some = [row for row in rows if not self.split or row.split == self.split]
        if not some:
            there = ", ".join(sorted({row.split or "none" for row in rows})) or "no rows"
            raise UserError(f"{self.path}: no clips of split '{self.split}'; there are: {there}")
        return some

    @property
    def _texts(self) -> Iterator[str]:
        return (self.text_of(row) for row in self._table)

    def text_of(self, row: Row) -> str:
        """The transcript as it is learned: single spaces, lower case if asked for."""
        text = " ".join(row.transcript.split())
        return text.lower() if self.lowercase else text

    @cached_property
    def store(self) -> store.Clips:
        """The audio at 16 kHz, decoded once into the data folder."""
        return store.Clips(self._decoded)

    @property
    def _decoded(self) -> Path:
        return self._folder or self.decode()

    def decode(self, workers: Workers | None = None, redo: tuple[str, ...] = ()) -> Path:
        """The folder with the audio, made if it is not there: by this process, or by `workers`."""
        texts = [self.text_of(row) for row in self._table]
        key = {
            "rows": [
                (row.wav_filename, row.start, row.end, row.channel, _state(Path(row.wav_filename)))
                for row in self._table
            ],
            "texts": texts,
            "labels": self.labels,
            "seconds": self.seconds,
        }
        label = f"{self.path.name} {self.split}".strip()
        steps = Steps(work_folder(), "experiment", redo, label)
        make = partial(self._decode, workers)
        self._folder = folder = steps.run("audio", make, key, version=VERSION, shared=True)
        refused = rejected.read(folder / rejected.FILE)
        if steps.made:
            rejected.report(refused, len(self._table), self.path.name, folder / rejected.FILE)
        if len(refused) == len(self._table):
            raise UserError(f"{self.path}: all clips are rejected: {refused[0].reason}")
        return folder

    def _decode(self, workers: Workers | None, out: Path) -> None:
        plan = Plan(tuple(self._table), tuple(map(self.text_of, self._table)), self)
        chunks = -(-len(self._table) // CHUNK)
        store.build(out, clips_of, plan, chunks, "decode", workers)
        sums = {
            row.wav_filename: manifest.sha256(Path(row.wav_filename))
            for row in self._table
            if Path(row.wav_filename).is_file()
        }
        write_record(out / "files.json", sums)

    @cached_property
    def rows(self) -> list[Row]:
        """The rows that are used, in the order of the store."""
        return [self._table[int(group)] for group in self.store.index["group"]]

    @cached_property
    def texts(self) -> list[str]:
        """Their transcripts."""
        return [self.text_of(row) for row in self.rows]

    @cached_property
    def targets(self) -> list[np.ndarray]:
        """Their labels, int32."""
        return [np.array(self.alphabet.encode(text), np.int32) for text in self.texts]

    @cached_property
    def longest(self) -> int:
        """Labels of the longest transcript."""
        return max(map(len, self.targets))

    @property
    def rejected(self) -> list[Rejected]:
        """Clips that are not used, and why."""
        return rejected.read(self._decoded / rejected.FILE)

    @property
    def files(self) -> Path:
        """JSON: the SHA-256 of each file."""
        return self._decoded / "files.json"

    def __len__(self) -> int:
        return len(self.store)

    @property
    def seconds_of_clips(self) -> np.ndarray:
        """Length of each clip."""
        return self.store.index["length"] / SAMPLE_RATE_HZ

    def loader(self, batch_seconds: float = 60.0, batch_size: int = 0) -> "AudioLoader":
        """Batches of clips of like length: of so many seconds with padding, or of `batch_size`."""
        from trainer.data.loader import AudioLoader

        return AudioLoader(self, batch_seconds, batch_size)


class Plan:
    """What a chunk of decoding needs."""

    def __init__(self, rows: Sequence[Row], texts: Sequence[str], dataset: AudioDataset) -> None:
        self.rows, self.texts, self.alphabet = rows, texts, dataset.alphabet
        self.seconds = dataset.seconds


def clips_of(plan: Plan, chunk: int) -> Iterator[store.Row | Rejected]:
    """The clips of one chunk of rows; `group`: the row."""
    low, high = plan.seconds
    for number in range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(plan.rows))):
        row, text = plan.rows[number], plan.texts[number]
        if not text:
            yield Rejected(row.wav_filename, "no transcript")
            continue
        if missing := plan.alphabet.missing(text):
            outside = " ".join(map(shown, missing))
            yield Rejected(row.wav_filename, f"characters outside the labels: {outside}", text)
            continue
        if reason := manifest.wrong_length(row.duration, 0.0, high):
            yield Rejected(row.wav_filename, reason, text)
            continue
        try:
            samples = audio.read(Path(row.wav_filename), row.start, row.end, row.channel)
        except AudioError as error:
            yield Rejected(row.wav_filename, str(error), text)
            continue
        if reason := manifest.wrong_length(len(samples) / SAMPLE_RATE_HZ, low, high):
            yield Rejected(row.wav_filename, reason, text)
        else:
            yield store.audio_row(samples, number)


def work_folder() -> Path:
    """Where decoded audio is kept: /data/work, or `work` here where there is no such folder."""
    data = data_folder()
    return data / "work" if data.is_dir() else Path("work").absolute()


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change, by which a changed file is noticed."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def check_unchanged(name: str, before: dict[str, str], dataset: AudioDataset) -> None:
    """Raises UserError for files that are not those that a run began with.

    `before`: path -> SHA-256.
    """
    now = json.loads(dataset.files.read_text(encoding="utf-8"))
    changed = sorted(path for path, value in before.items() if now.get(path) != value)
    if changed:
        raise UserError(
            f"{name}: {len(changed)} of {len(before)} files are not those that the run began with, "
            f"such as {changed[0]} (SHA-256 {now.get(changed[0], 'none')[:12]}, was "
            f"{before[changed[0]][:12]}); put them back, or give --changed-data to go on with them"
        )
    if len(now) != len(before):
        log.warning("%s: %d files, were %d", name, len(now), len(before))
