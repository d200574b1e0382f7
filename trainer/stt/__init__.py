"""Speech to text: transcribed clips -> .pbmm, .tflite and .scorer for DeepSpeech and Coqui STT.

from trainer import stt

result = stt.train(train_files="a.csv", dev_files="b.csv", epochs=30, lm_text="transcripts")
print(result.folder, result.figures)
print(stt.transcribe(result.folder / "output_graph.pbmm", ["clip.wav"]))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.stt.pipeline import Result


def train(settings_file: str | PathLike[str] | None = None, **settings: Any) -> Result:
    """Train a model: what `trainer stt package` does, with the same settings and errors.

    `settings`: as in docs/settings.md, in small letters. Raises UserError. Scripts need
    `if __name__ == "__main__":`, because worker processes import them.
    """
    from trainer.stt.line import run

    result: Result = run(settings, Path(settings_file) if settings_file else None)
    return result


def transcribe(
    model: str | PathLike[str],
    files: Iterable[str | PathLike[str]],
    scorer: str | PathLike[str] | None = None,
    library: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> dict[Path, str]:
    """Texts of audio files by a client's own library. Raises UserError, also for a bad file.

    `library`: libdeepspeech.so or libstt.so; default: the published one that fits the model,
    downloaded once into `data_dir`/tools/clients (`data_dir`: by default DATA_DIR, or /data).
    """
    from trainer.audio.io import AudioError
    from trainer.machine import data_folder

    paths = [Path(file) for file in files]
    found = {}
    for path, text, error in transcripts(
        Path(model),
        paths,
        Path(scorer) if scorer else None,
        Path(library) if library else None,
        Path(data_dir) if data_dir else data_folder(),
    ):
        if error:
            raise AudioError(error)
        found[path] = text
    return found


def transcripts(
    model: Path, files: Iterable[Path], scorer: Path | None, library: Path | None, data_dir: Path
) -> Iterator[tuple[Path, str, str]]:
    """(file, text, error) of each file, as soon as it is transcribed."""
    from trainer.audio.io import AudioError
    from trainer.corpora.utterance import Utterance
    from trainer.stt.client import fetch
    from trainer.stt.evaluation import Client, read_clips
    from trainer.text.scorer import read

    if scorer:
        read(scorer, None)  # a damaged one would crash the library
    name = "stt" if model.suffix == ".tflite" else "deepspeech"
    library = library or fetch(data_dir / "tools" / "clients")[name]
    with Client(library, model, scorer).load() as client:
        for path in files:
            try:
                samples = read_clips(client.sample_rate_hz, [Utterance(str(path), "")])[0]
            except AudioError as error:
                yield path, "", str(error)
            else:
                yield path, client.transcribe(samples).text, ""
