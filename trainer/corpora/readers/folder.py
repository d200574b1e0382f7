"""A folder of audio files, each with its transcript in a text file of the same name."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import AUDIO, lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE, LICENCE, SOURCE = "A folder of clips", "", ""


def read(folder: Path) -> Iterator[Utterance]:
    """Clips in order of their paths; a clip's folder is its speaker. Raises UserError.

    A missing text is an empty transcript; another file with a text is listed too, so that it is
    rejected as not decodable.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    texts = {p.with_suffix(""): p for p in files if p.suffix.lower() == ".txt"}
    sounds = {p.with_suffix("") for p in files if p.suffix.lower() in AUDIO}
    for path in files:
        text = texts.get(path.with_suffix(""))
        if path.suffix.lower() in AUDIO or (
            text and path != text and path.with_suffix("") not in sounds
        ):
            yield Utterance(
                str(path),
                " ".join(lines(text)) if text else "",
                "" if path.parent == folder else path.parent.name,
            )
