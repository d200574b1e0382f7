"""The user's own recordings: read, judged, cut to the phrase, or rejected with a reason.

The same functions decide for training and for evaluation what can be used.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.decode import SUFFIXES, AudioError, opened
from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.audio.quality import Quality, judge, one_channel
from trainer.audio.speech import phrases_in, speech_bounds
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.store import Row, audio_row

MAX_TAKE_SECONDS = 600.0
LONGEST_PHRASE_SECONDS = 2.2
SHORTEST_PHRASE_SECONDS = 0.15
WEAKEST_SHARE = 0.2  # of the level of a take's louder pieces
SHORTEST_SHARE = 0.4  # of the median phrase of a take; less is a breath or a part of it
MARGIN_SECONDS, CONTEXT_SECONDS = 0.05, 0.5
PIECE_SECONDS = 10.0
SHORTEST_PIECE_SECONDS = 0.5
SHORTEST_STREAM_SECONDS = 0.1


@dataclass(frozen=True)
class Phrase:
    """One repetition of the phrase: from `first` to `last` sample of its take, and with the sound
    around it from `begin` to `end`."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True)
class Take:
    """A file that holds the phrase at least once."""

    samples: Audio
    phrases: tuple[Phrase, ...]
    rejected: tuple[Rejected, ...]  # parts of it
    quality: Quality

    def trimmed(self) -> Iterator[Audio]:
        """Each phrase without the silence around it."""
        margin = int(MARGIN_SECONDS * SAMPLE_RATE_HZ)
        for phrase in self.phrases:
            yield self.samples[max(0, phrase.first - margin) : phrase.last]


def files_of(place: Path) -> list[Path]:
    """All files under a folder, sorted, or the one file; which of them hold audio is found by
    reading them. Raises UserError if there is none."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such folder; mount it, or give its path inside the container")
    files = sorted(p for p in place.rglob("*") if p.is_file())
    if not any(p.suffix.lower() in SUFFIXES for p in files):
        there = f"{len(files)} other files" if files else "nothing"
        raise UserError(f"{place}: holds no audio ({' '.join(SUFFIXES)}), {there}")
    return files


def read_take(path: Path) -> Take:
    """A recording of the phrase, or a take of many repetitions with pauses between them.

    Raises AudioError with the reason if nothing of it can be used.
    """
    samples, quality = _load(path)
    seconds = len(samples) / SAMPLE_RATE_HZ
    if seconds < 0.25:
        raise AudioError(f"too short: {seconds:.2f} s")
    if audio.rms(samples) < 1e-4:
        raise AudioError("silent")
    if quality.clipped > 0.05:
        raise AudioError(
            "clipped: more than 5 % of the samples are at full scale; record at a lower level"
        )
    bounds = speech_bounds(samples)
    if bounds is None:
        raise AudioError("no speech stands out from the background")
    if (bounds[1] - bounds[0]) / SAMPLE_RATE_HZ <= LONGEST_PHRASE_SECONDS:
        pieces = [bounds]
    else:
        pieces = phrases_in(samples, LONGEST_PHRASE_SECONDS)
    return _take(path, samples, pieces, quality)


def _take(path: Path, samples: Audio, pieces: list[tuple[int, int]], quality: Quality) -> Take:
    lengths = [(last - first) / SAMPLE_RATE_HZ for first, last in pieces]
    loudness = [audio.rms(samples[first:last]) for first, last in pieces]
    usual, usual_level = float(np.median(lengths)), float(np.percentile(loudness, 75))
    phrases: list[Phrase] = []
    refused: list[Rejected] = []
    around = int(CONTEXT_SECONDS * SAMPLE_RATE_HZ)
    ends = [0, *(last for _, last in pieces)]
    starts = [*(first for first, _ in pieces), len(samples)]
    for i, ((first, last), seconds) in enumerate(zip(pieces, lengths, strict=True)):
        weak = loudness[i] < WEAKEST_SHARE * usual_level
        if reason := "much weaker than the phrases of its take" if weak else _unfit(seconds, usual):
            if len(pieces) == 1:
                raise AudioError(reason)
            refused.append(Rejected(str(path), reason, f"at {first / SAMPLE_RATE_HZ:.1f} s"))
            continue
        begin, end = max(first - around, ends[i]), min(last + around, starts[i + 1])
        if len(pieces) == 1:
            begin, end = 0, len(samples)
        phrases.append(Phrase(first, last, begin, end))
    if not phrases:
        raise AudioError(refused[0].reason)
    return Take(samples, tuple(phrases), tuple(refused), quality)


def _unfit(seconds: float, usual: float) -> str:
    """Why a piece of a take is no phrase; empty if it is one."""
    if seconds > LONGEST_PHRASE_SECONDS:
        return f"more speech than the phrase: {seconds:.1f} s; cut it to the phrase"
    if seconds < SHORTEST_PHRASE_SECONDS:
        return "less than 0.15 s of speech stands out from the background"
    if seconds < SHORTEST_SHARE * usual:
        return f"a part of the phrase: {seconds:.1f} s, the others of its take {usual:.1f} s"
    return ""


def _load(path: Path) -> tuple[Audio, Quality]:
    """The best channel at 16 kHz without offset, and what is wrong with the recording."""
    with opened(path) as file:
        rate = file.samplerate
        found = file.read(int((MAX_TAKE_SECONDS + 1) * rate), dtype="float32", always_2d=True)
        missing = (file.frames - len(found)) / rate
    if not len(found):
        raise AudioError("holds no audio")
    seconds = len(found) / rate
    if seconds > MAX_TAKE_SECONDS:
        raise AudioError(f"longer than {MAX_TAKE_SECONDS / 60:g} minutes: cut it into takes")
    if missing > max(0.5, 0.1 * seconds):
        raise AudioError(f"cut off: its last {missing:.1f} s are not there")
    chosen, which = one_channel(np.nan_to_num(found))
    quality = judge(chosen, rate, which)
    return audio.resample(chosen - np.float32(quality.offset), rate), quality


def read_stream(path: Path, seconds: float = PIECE_SECONDS) -> Iterator[Audio]:
    """A recording without the phrase, of any length, in blocks of about `seconds`.

    Raises AudioError, also for less than SHORTEST_STREAM_SECONDS.
    """
    before = np.zeros(0, np.float32)
    for block in audio.read_blocks(path, seconds):
        if len(block) < SHORTEST_PIECE_SECONDS * SAMPLE_RATE_HZ:
            before = np.concatenate([before, block])  # a short rest belongs to the block before
            continue
        if len(before):
            yield before
        before = block
    if len(before) < SHORTEST_STREAM_SECONDS * SAMPLE_RATE_HZ:
        raise AudioError(f"too short: less than {SHORTEST_STREAM_SECONDS:g} s")
    yield before


@dataclass(frozen=True)
class FilesPlan:
    """Recordings to read; `whole` keeps all of a file, in pieces of ten seconds, instead of the
    phrases in it."""

    files: tuple[str, ...]
    whole: bool


def read_chunk(plan: FilesPlan, number: int) -> Iterator[Row | Rejected]:
    """The clips of file `number`, or why it is rejected."""
    path = Path(plan.files[number])
    try:
        if plan.whole:
            for block in read_stream(path):
                yield audio_row(block, number)
            return
        take = read_take(path)
        for samples in take.trimmed():
            yield audio_row(samples, number, len(samples))
        yield from take.rejected
    except AudioError as error:
        yield Rejected(str(path), str(error))


def quality_of(path: Path) -> tuple[Quality, int] | None:
    """(quality, usable phrases) of a file; None if it is rejected."""
    try:
        take = read_take(path)
    except AudioError:
        return None
    return take.quality, len(take.phrases)


def check_no_contradiction(phrase_files: Sequence[Path], other_files: Sequence[Path]) -> None:
    """Raises UserError for audio that is given as the phrase and as something else, under
    whatever names and in whatever lossless format."""
    lengths: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for path in other_files:
        if found := _length(path):
            lengths[found].append(path)
    others: dict[str, Path] = {}  # by content: of those whose length occurs on both sides
    same: dict[Path, Path] = {}
    for path in phrase_files:
        length = _length(path)
        if not length or length not in lengths:
            continue
        others |= {_content(other): other for other in lengths[length]}
        lengths[length] = []
        if other := others.get(_content(path)):
            same[path] = other
    if same:
        first, second = next(iter(same.items()))
        raise UserError(
            f"{len(same)} recordings are given both as the phrase and as audio that must not "
            f"wake the device, such as {first} = {second}: remove them from one of the folders"
        )


def _length(path: Path) -> tuple[int, int] | None:
    try:
        with opened(path) as file:
            return file.samplerate, file.frames
    except AudioError:
        return None


def _content(path: Path) -> str:
    total = hashlib.sha256()
    blocks: Iterable[Audio] = audio.read_blocks(path)
    try:
        for block in blocks:
            total.update(audio.to_int16(block).tobytes())
    except AudioError:
        return str(path)
    return total.hexdigest()
