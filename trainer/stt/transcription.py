"""Recordings of any length as text with times: cut at pauses, each part through a client."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio import speech
from trainer.audio.decode import SUFFIXES, AudioError
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, to_int16
from trainer.clients import Library
from trainer.errors import UserError

BLOCK_SECONDS = 60.0
PAUSE_FRAMES = 50  # half a second separates segments
LONGEST_SECONDS = 20.0
PAD_SECONDS = 0.2
SHORTEST_SECONDS = 0.1


@dataclass(frozen=True)
class Word:
    """A word and when it begins, in seconds of the file."""

    text: str
    start: float


@dataclass(frozen=True)
class Segment:
    """What is spoken from `start` to `end` seconds, with the client's confidence."""

    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Transcript:
    """One file; `error` instead of segments if it cannot be read."""

    path: str
    segments: tuple[Segment, ...] = ()
    error: str = ""

    @property
    def text(self) -> str:
        """All segments, separated by spaces."""
        return " ".join(s.text for s in self.segments if s.text)


def files_in(places: Iterable[Path]) -> list[Path]:
    """Files as given, and the sound files below folders, sorted. Raises UserError."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = [p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES]
            if not inside:
                raise UserError(f"{place}: holds no audio ({' '.join(SUFFIXES)})")
            found += sorted(inside)
        else:
            found.append(place)
    return found


def transcribe(client: Library, path: Path) -> Transcript:
    """Short files whole; longer ones in segments between pauses."""
    try:
        segments = tuple(
            _segment(client, samples, start) for start, samples in cut(path, client.sample_rate_hz)
        )
    except AudioError as error:
        return Transcript(str(path), error=f"{path}: {error}")
    return Transcript(str(path), segments)


def _segment(client: Library, samples: Audio, start: float) -> Segment:
    found = client.transcribe(to_int16(samples))
    words = tuple(Word(text, round(start + at, 2)) for text, at in found.words)
    end = start + len(samples) / client.sample_rate_hz
    return Segment(round(start, 2), round(end, 2), found.text.strip(), found.confidence, words)


def cut(path: Path, rate_hz: int) -> Iterator[tuple[float, Audio]]:
    """(start in seconds, samples at `rate_hz`) of the segments of a file. Raises AudioError."""
    blocks = audio.read_blocks(path, BLOCK_SECONDS, whole=True, to_hz=rate_hz)
    rest, begin, block = next(blocks), 0.0, next(blocks, None)
    if block is None and len(rest) <= LONGEST_SECONDS * rate_hz:
        yield 0.0, rest
        return
    while True:
        found, kept = _spoken(rest, rate_hz, last=block is None)
        for start, end in found:
            yield begin + start / rate_hz, rest[start:end]
        if block is None:
            return
        # what may go on in the next block
        rest, begin = np.concatenate([rest[kept:], block]), begin + kept / rate_hz
        block = next(blocks, None)


def _spoken(samples: Audio, rate_hz: int, last: bool) -> tuple[list[tuple[int, int]], int]:
    """((first, end) samples of the segments, where to go on). A segment that reaches the end is
    finished only if this is the `last` block."""
    loud = speech.loud_frames(audio.resample(samples, rate_hz, to_hz=SAMPLE_RATE_HZ))
    hop, pad = rate_hz / 100, int(PAD_SECONDS * rate_hz)
    parts = [part for run in speech.runs(loud, join=PAUSE_FRAMES) for part in _split(loud, *run)]
    kept = len(samples) if last else max(0, len(samples) - pad)
    if parts and not last and parts[-1][1] > len(loud) - PAUSE_FRAMES:
        kept = max(0, int(parts.pop()[0] * hop) - pad)
    found: list[tuple[int, int]] = []
    for first, end in parts:
        start = max(int(first * hop) - pad, found[-1][1] if found else 0)
        found.append((start, min(int((end + 1) * hop) + pad, len(samples))))
    kept = max(kept, found[-1][1] if found else 0)
    return [(a, b) for a, b in found if b - a >= SHORTEST_SECONDS * rate_hz], kept


def _split(loud: np.ndarray, first: int, end: int) -> list[tuple[int, int]]:
    """A run, cut at its longest pauses until no part is too long."""
    longest = int(LONGEST_SECONDS * 100)
    if end - first <= longest:
        return [(first, end)]
    middle = first + longest // 4, end - longest // 4
    pauses = [(b - a, a, b) for a, b in speech.runs(~loud[first:end])]
    inside = [(n, first + a, first + b) for n, a, b in pauses if middle[0] < first + a < middle[1]]
    if not inside:
        cut_at = first + longest
        return [(first, cut_at), *_split(loud, cut_at, end)]
    _, a, b = max(inside)
    return [*_split(loud, first, a), *_split(loud, b, end)]


def as_text(found: Transcript) -> str:
    """File, tab and text."""
    return f"{found.path}\t{found.text}"


def names_of(files: Sequence[Path]) -> dict[str, str]:
    """A name of its own for each file's transcript: as short as tells all files apart."""
    found: dict[str, str] = {}
    for short in (
        lambda p: p.stem,
        lambda p: p.name,
        lambda p: f"{p.parent.name}_{p.name}",
        lambda p: "_".join(p.parts).lstrip("/"),
    ):
        names = [short(p) for p in files]
        for path, name in zip(files, names, strict=True):
            if names.count(name) == 1 and name not in found.values():
                found.setdefault(str(path), name)
    return found


def write(found: Transcript, form: str, folder: Path, name: str) -> Path:
    """One file's transcript in `folder`; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{'txt' if form == 'text' else form}"
    text = found.text + "\n" if form == "text" else WRITERS[form](found)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def as_json(found: Sequence[Transcript]) -> str:
    """A list of files with segments, words and times."""
    return json.dumps([asdict(one) | {"text": one.text} for one in found], ensure_ascii=False)


def as_srt(found: Transcript) -> str:
    """Subtitles (SubRip)."""
    blocks = []
    for number, s in enumerate((s for s in found.segments if s.text), 1):
        blocks.append(f"{number}\n{_clock(s.start)} --> {_clock(s.end)}\n{s.text}\n")
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    return f"{hours:02d}:{rest // 60_000:02d}:{rest // 1000 % 60:02d},{rest % 1000:03d}"


def _one_as_json(found: Transcript) -> str:
    return as_json([found])


WRITERS: dict[str, Callable[[Transcript], str]] = {
    "text": as_text,
    "srt": as_srt,
    "json": _one_as_json,
}
