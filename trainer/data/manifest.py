"""Manifests: tables of clips (CSV or JSON lines) with duration, speaker, split and SHA-256.

    wav_filename,transcript,duration,speaker,split,sha256,start,end,channel

The first two columns are those of DeepSpeech, so that `stt` reads manifests too. Paths are relative
to the manifest's folder, if the clips lie below it.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.audio import io as audio
from trainer.audio.decode import AudioError, opened
from trainer.corpora import readers
from trainer.corpora.readers import table
from trainer.corpora.utterance import Utterance
from trainer.rejected import Rejected

ENDLESS_SECONDS = 3600.0  # a clip that is longer is a recording without a cut


@dataclass(frozen=True)
class Row:
    """One clip. `duration`: seconds; `start`, `end`, `channel`: as of an Utterance."""

    wav_filename: str
    transcript: str
    duration: float = 0.0
    speaker: str = ""
    split: str = ""
    sha256: str = ""
    start: float = 0.0
    end: float = 0.0
    channel: int = 0


def read(path: Path) -> list[Row]:
    """The rows of a manifest, or of any table of clips, with whole paths. Raises UserError."""
    return [
        Row(u.path, u.transcript, table.number(path, row, "duration"), u.speaker, u.split,
            row.get("sha256", ""), u.start, u.end, u.channel)
        for u, row in table.read_rows(path)
    ]  # fmt: skip


def write(path: Path, rows: Iterable[Row]) -> None:
    """A CSV, or JSON lines by the name's end; it appears when it is whole."""
    home = path.parent.resolve()
    unfinished = path.with_name(f"{path.name}.partial")
    with unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace") as out:
        found = [asdict(row) | {"wav_filename": _below(home, row.wav_filename)} for row in rows]
        if path.suffix == ".jsonl":
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        else:
            cells = csv.DictWriter(out, list(Row.__dataclass_fields__))
            cells.writeheader()
            cells.writerows(found)
    unfinished.replace(path)


def _below(home: Path, file: str) -> str:
    place = Path(file).resolve()
    return str(place.relative_to(home)) if place.is_relative_to(home) else str(place)


def of_sources(sources: Sequence[str], refused: list[Rejected]) -> Iterator[Row]:
    """The clips of corpora (`an4:/data/sources/an4`), tables and manifests, measured. Those that
    cannot be used are added to `refused`. Raises UserError."""
    for source in sources:
        kind, place, options = readers.named(source)
        for u in readers.read(kind, place, options):
            try:
                yield measured(u)
            except AudioError as error:
                refused.append(Rejected(u.path, str(error), u.transcript))


def measured(u: Utterance) -> Row:
    """With duration and SHA-256 of the file. Raises AudioError."""
    path = Path(u.path)
    with opened(path) as file:
        seconds = file.frames / file.samplerate
    if not seconds:  # its header does not say
        seconds = sum(map(len, audio.read_blocks(path))) / audio.SAMPLE_RATE_HZ
    end = min(u.end, seconds) if u.end else seconds
    if end - u.start <= 0:
        raise AudioError("holds no audio in this part")
    if end - u.start > ENDLESS_SECONDS:
        raise AudioError(f"longer than an hour ({(end - u.start) / 3600:.1f} h)")
    seconds = round(end - u.start, 3)
    rest = u.speaker, u.split, sha256(path), u.start, u.end, u.channel
    return Row(u.path, u.transcript, seconds, *rest)


def sha256(path: Path) -> str:
    """Of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def between(rows: Iterable[Row], low: float, high: float, refused: list[Rejected]) -> Iterator[Row]:
    """Rows of `low` to `high` seconds (0: no limit); others are added to `refused`."""
    for row in rows:
        if reason := wrong_length(row.duration, low, high):
            refused.append(Rejected(row.wav_filename, reason))
        else:
            yield row


def wrong_length(seconds: float, low: float, high: float) -> str:
    """Why a clip cannot be used, or empty. `high`: 0 for no limit."""
    if low <= seconds and (not high or seconds <= high):
        return ""
    return f"too {'short' if seconds < low else 'long'} ({seconds:.1f} s)"


def statistics(rows: Sequence[Row]) -> list[str]:
    """Lines about a manifest: clips and hours by split, speakers, durations, characters."""
    if not rows:
        return ["no clips"]
    found = []
    for split in sorted({row.split for row in rows}):
        some = [row for row in rows if row.split == split]
        hours = sum(row.duration for row in some) / 3600
        speakers = len({row.speaker for row in some} - {""})
        found.append(f"{split or 'all'}: {len(some)} clips, {hours:.2f} h, {speakers} speakers")
    lengths = sorted(row.duration for row in rows)
    middle = lengths[len(lengths) // 2]
    found.append(f"seconds: {lengths[0]:.1f} to {lengths[-1]:.1f}, median {middle:.1f}")
    counts = Counter(c for row in rows for c in row.transcript)
    found.append(f"characters: {''.join(sorted(counts))}")
    return found
