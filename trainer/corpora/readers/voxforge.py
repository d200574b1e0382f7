"""VoxForge: an archive a submission, `etc/PROMPTS` and `wav/*.wav` (or flac)."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, keyed
from trainer.corpora.utterance import Utterance

TITLE = "VoxForge"
LICENCE = "GPL-3.0"
SOURCE = "http://www.repository.voxforge1.org/downloads/"


def read(folder: Path, skip: str = "") -> Iterator[Utterance]:
    """All clips, without splits. `skip`: speakers to leave out, separated by `+`; a submission's
    name begins with its speaker's. Raises UserError."""
    prompts = every(folder, "etc/PROMPTS", expected="<submission>/etc/PROMPTS")
    for table in prompts:
        submission = table.parents[1]
        speaker = submission.name.split("-")[0]
        if speaker in skip.split("+"):
            continue
        if speaker == "anonymous":
            speaker = submission.name  # each may be another person
        for name, text in keyed(table).items():
            clip = submission / "wav" / f"{Path(name).name}.wav"
            flac = submission / "flac" / f"{Path(name).name}.flac"
            yield Utterance(str(flac if flac.exists() else clip), text, speaker)
