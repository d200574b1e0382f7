"""Conferences at the Centre Pierre Mendes France: hours of mp3, XML with timed rows."""

import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "CCPMF conferences 2012-2020"
LICENCE = "Licence Ouverte / Open Licence"
SOURCE = (
    "https://data.economie.gouv.fr/explore/dataset/transcriptionsxml_audiomp3_mefr_ccpmf_2012-2020"
)


SHORTEST, GAP = 0.85, 0.1  # seconds


def read(folder: Path, max_seconds: str = "4.5") -> Iterator[Utterance]:
    """Pieces of adjacent rows up to `max_seconds`; a recording is a speaker. Raises UserError."""
    recordings = every(folder, "*.mp3", expected="*.mp3 with *.xml")
    tables = sorted(folder.rglob("*.xml"))
    for recording in recordings:
        table = max(tables, key=lambda path: _likeness(recording.stem, path.stem), default=None)
        if table is None or not _likeness(recording.stem, table.stem):
            yield Utterance(str(recording), "")
            continue
        for start, end, text in pieces(_rows(table), float(max_seconds)):
            if end - start >= SHORTEST:
                yield Utterance(str(recording), text, recording.stem, start=start, end=end)


def pieces(
    rows: list[tuple[float, float, str]], longest: float
) -> Iterator[tuple[float, float, str]]:
    """(start, end, text) of neighbours joined."""
    start, end, text = 0.0, 0.0, ""
    for at, length, words in rows:
        if text and (at - end > GAP or at + length - start > longest):
            yield start, end, text
            text = ""
        if not text:
            start = at
        end, text = at + length, f"{text} {words}".strip()
    if text:
        yield start, end, text


def _rows(path: Path) -> list[tuple[float, float, str]]:
    try:
        found = xml.parse(path).getroot().findall("row")  # noqa: S314  (a published corpus)
        return [
            (float(r.attrib["timestamp"]), float(r.attrib["timedur"]), r.text or "") for r in found
        ]
    except (xml.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not rows with timestamp and timedur ({error})") from error


def _likeness(a: str, b: str) -> int:
    """How many parts of the names agree; none when their dates do not."""
    one, other = a.split("_"), b.split("_")
    return sum(x == y for x, y in zip(one, other, strict=False)) if one[0] == other[0] else 0
