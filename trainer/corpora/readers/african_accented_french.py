"""African Accented French (SLR57): prompts in several files, wavs anywhere below `speech/`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "African Accented French"
LICENCE = "Apache-2.0"
SOURCE = "https://openslr.org/57"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips with a text; train, dev (also devtest) and test by folders. Raises UserError."""
    clips = {p.stem: p for p in sorted(folder.rglob("*.wav"))}
    tables = sorted(p for p in folder.rglob("transcripts/**/*.txt")) + sorted(
        folder.rglob("*_transcript.tsv")
    )
    if not tables:
        raise UserError(f"{folder}: holds no transcripts/<split>/**/*.txt")
    for table in tables:
        split = next(
            (part for part in table.parts[::-1] if part in ("train", "dev", "devtest", "test")), ""
        )
        for line in lines(table):
            name, _, text = line.partition("\t" if table.suffix == ".tsv" else " ")
            name = Path(name).name.removesuffix(".wav").removesuffix(".tdf")
            path = clips.get(name, folder / f"{name}.wav")
            yield Utterance(
                str(path), text.strip(), path.parent.name, split.replace("devtest", "dev")
            )
