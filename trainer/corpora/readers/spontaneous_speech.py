"""Mozilla Common Voice, spontaneous speech: `ss-corpus-<language>.tsv`, `audios/*.mp3`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, rows
from trainer.corpora.utterance import Utterance

TITLE = "Common Voice Spontaneous Speech"
LICENCE = "CC0-1.0"
SOURCE = "https://commonvoice.mozilla.org/spontaneous-speech"


def read(folder: Path) -> Iterator[Utterance]:
    """Answers with a transcription, in order; with splits where the table has them.

    Answers that nobody has transcribed yet are yielded with an empty transcript, and so rejected.
    Raises UserError.
    """
    for table in every(folder, "ss-corpus-*.tsv"):
        columns = {"client_id", "audio_file", "transcription"}
        for row in rows(table, columns, "excel-tab", quoted=False):
            path = table.parent / "audios" / row["audio_file"]
            split = row.get("split", "").strip()
            yield Utterance(str(path), row["transcription"], row["client_id"], split)
