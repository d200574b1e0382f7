"""German Distant Speech, version 2 (TUDA): `<split>/<id>.xml`, one wav for each microphone."""

import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "TUDA German Distant Speech 2"
LICENCE = "CC BY 4.0"
SOURCE = "http://ltdata1.informatik.uni-hamburg.de/kaldi_tuda_de/"


def read(folder: Path) -> Iterator[Utterance]:
    """Every microphone of the official splits. Raises UserError."""
    tables = every(
        folder, *(f"{split}/*.xml" for split in ("train", "dev", "test")), expected="<split>/*.xml"
    )
    for table in tables:
        try:
            root = xml.parse(table).getroot()  # noqa: S314  (a published corpus)
        except xml.ParseError as error:
            raise UserError(f"{table}: {error}") from error
        text, speaker = (
            next((e.text or "" for e in root.iter(name)), "")
            for name in ("cleaned_sentence", "speaker_id")
        )
        for path in sorted(table.parent.glob(f"{table.stem}_*.wav")):
            yield Utterance(str(path), text, speaker or table.stem, table.parent.name)
