"""Speech to text: transcribed clips -> .pbmm, .tflite and .scorer for DeepSpeech and Coqui STT.

from trainer import stt

result = stt.train(train_files="a.csv", dev_files="b.csv", epochs=30, lm_text="transcripts")
print(result.folder, result.figures)
print(stt.transcribe(result.folder / "output_graph.pbmm", ["clip.wav"]))
print(stt.evaluate(result.folder / "output_graph.pbmm", ["c.csv"]).figures["wer"])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from trainer.errors import UserError

if TYPE_CHECKING:
    from trainer.stt.pipeline import Result
    from trainer.stt.released import Evaluation
    from trainer.stt.transcription import Transcript


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
    from trainer.audio.decode import AudioError

    paths = [Path(file) for file in files]
    found = {}
    for one in transcripts(model, paths, scorer, library, data_dir):
        if one.error:
            raise AudioError(one.error)
        found[Path(one.path)] = one.text
    return found


def transcripts(
    model: str | PathLike[str],
    files: Iterable[str | PathLike[str]],
    scorer: str | PathLike[str] | None = None,
    library: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    hot_words: Mapping[str, float] = MappingProxyType({}),
) -> Iterator[Transcript]:
    """Segments with times of each file, as soon as it is transcribed; folders are searched.

    Raises UserError; what is wrong with a file is in its transcript's `error`.
    """
    from trainer.machine import data_folder
    from trainer.stt.released import client_of
    from trainer.stt.transcription import files_in
    from trainer.stt.transcription import transcribe as run

    paths = files_in(Path(file) for file in files)
    home = Path(data_dir) if data_dir else data_folder()
    client = client_of(Path(model), _path(scorer), _path(library), home)
    if hot_words and not scorer:
        raise UserError("hot words need a scorer")
    with client.load() as loaded:
        for word, boost in hot_words.items():
            loaded.add_hot_word(word, boost)
        for path in paths:
            yield run(loaded, path)


def evaluate(
    model: str | PathLike[str],
    files: Iterable[str | PathLike[str]],
    scorer: str | PathLike[str] | None = None,
    library: str | PathLike[str] | None = None,
    language: str = "",
    data_dir: str | PathLike[str] | None = None,
    workers: int = 0,
) -> Evaluation:
    """Error rates of any .pbmm or .tflite in its client, with every clip.

    `files`: tables or corpora (`reader:place`); `language`: whose rules references follow.
    Raises UserError.
    """
    from trainer.machine import cores, data_folder
    from trainer.stt.released import client_of
    from trainer.stt.released import evaluate as run
    from trainer.workers import Workers

    home = Path(data_dir) if data_dir else data_folder()
    client = client_of(Path(model), _path(scorer), _path(library), home)
    with Workers(workers or cores()) as pool:
        return run(client, [str(file) for file in files], language, home, pool)


def _path(given: str | PathLike[str] | None) -> Path | None:
    return Path(given) if given else None
