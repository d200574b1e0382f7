"""Spoken Wikipedia Corpora: an article a folder, `aligned.swc` (words with times) and `audio*.ogg`."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

import soundfile

from trainer.readers import ReaderError, Utterance, every

TITLE = "Spoken Wikipedia Corpora"
LICENCE = "CC BY-SA 4.0"
SOURCE = "https://nats.gitlab.io/swc/"


def read(folder: Path, max_seconds: str = "10") -> Iterator[Utterance]:
    """Sentences whose words all have times, up to `max_seconds`; the reader is the speaker. Raises ReaderError."""
    articles = every(folder, "aligned.swc")
    for path in articles:
        recordings = sorted(path.parent.glob("audio*.ogg"))
        try:
            root = xml.parse(path).getroot()  # noqa: S314  (a published corpus)
            ends = list(itertools.accumulate(soundfile.info(r).duration for r in recordings))
        except (xml.ParseError, soundfile.LibsndfileError) as error:
            raise ReaderError(f"{path.parent}: {error}") from error
        told = {p.get("key"): p.get("value") or "" for p in root.iter("prop")}
        ignored = {id(s) for part in root.iter("ignored") for s in part.iter("s")}
        for sentence in root.iter("s"):
            found = None if id(sentence) in ignored else _timed(sentence)
            if found is None or not 0 < found[1] - found[0] <= float(max_seconds):
                continue
            start, end, text = found
            at = next((i for i, until in enumerate(ends) if end <= until), None)  # recordings count on from each other
            if at is not None and start >= (before := ends[at - 1] if at else 0.0):
                yield Utterance(str(recordings[at]), text, told.get("reader.name") or path.parent.name, "", start - before, end - before)


def _timed(sentence: xml.Element) -> tuple[float, float, str] | None:
    """(start, end, words) in seconds; None when a word has no time."""
    words: list[str] = []
    times: list[tuple[float, float]] = []
    for token in sentence.findall("t"):
        for n in token.findall("n"):
            if n.get("start") is None or n.get("end") is None:
                return None
            times.append((int(n.attrib["start"]) / 1000, int(n.attrib["end"]) / 1000))
            words.append(n.get("pronunciation") or token.get("text") or "")
    return (times[0][0], max(end for _, end in times), " ".join(words)) if times else None
