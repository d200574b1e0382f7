"""Spoken Wikipedia Corpora: a folder an article, `aligned.swc` with timed words, `audio*.ogg`."""

import itertools
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

import soundfile

from trainer.corpora.readers import every
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "Spoken Wikipedia Corpora"
LICENCE = "CC BY-SA 4.0"
SOURCE = "https://nats.gitlab.io/swc/"


def read(folder: Path, max_seconds: str = "10") -> Iterator[Utterance]:
    """Sentences with all words timed, up to `max_seconds`. Raises UserError."""
    articles = every(folder, "aligned.swc")
    for path in articles:
        recordings = sorted(path.parent.glob("audio*.ogg"))
        try:
            root = xml.parse(path).getroot()  # noqa: S314  (a published corpus)
            ends = list(itertools.accumulate(soundfile.info(r).duration for r in recordings))
        except (xml.ParseError, soundfile.LibsndfileError) as error:
            raise UserError(f"{path.parent}: {error}") from error
        props = {p.get("key"): p.get("value") or "" for p in root.iter("prop")}
        ignored = {id(s) for part in root.iter("ignored") for s in part.iter("s")}
        for sentence in root.iter("s"):
            found = None if id(sentence) in ignored else _timed(sentence)
            if found is None or not 0 < found[1] - found[0] <= float(max_seconds):
                continue
            start, end, text = found
            # recordings count on from each other
            at = next((i for i, until in enumerate(ends) if end <= until), None)
            if at is not None and start >= (before := ends[at - 1] if at else 0.0):
                speaker = props.get("reader.name") or path.parent.name
                times = start - before, end - before
                yield Utterance(str(recordings[at]), text, speaker, "", *times)


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
