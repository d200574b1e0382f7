"""M-AILABS: `<reader>/<book>/metadata.csv` (id|as written|as read) and `wavs/` below."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, lines
from trainer.corpora.utterance import Utterance

TITLE = "M-AILABS"
LICENCE = "BSD-3-Clause (M-AILABS)"
SOURCE = "https://www.caito.de/2019/01/03/the-m-ailabs-speech-dataset/"


def read(folder: Path, skip: str = "") -> Iterator[Utterance]:
    """All clips, without splits. `skip`: readers or books, separated by `+`. Raises UserError."""
    tables = every(folder, "metadata.csv")
    for table in tables:
        if any(name in table.parts for name in skip.split("+")):
            continue
        for line in lines(table):
            parts = line.split("|")
            if len(parts) >= 2:
                reader = (
                    table.parent.parent.name if table.parent.parent != folder else table.parent.name
                )
                yield Utterance(str(table.parent / "wavs" / f"{parts[0]}.wav"), parts[-1], reader)
