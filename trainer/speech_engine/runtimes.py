"""The folders of an engine in the libraries that its users have, each in a process of its own.

Their libraries must not share one: two of them hang when another one's OpenFst is loaded.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import quiet
from trainer.speech_engine.acoustics import Recognizer

Decode = Callable[[Path, Sequence[np.ndarray]], list[str]]
SECONDS = 600


def of(engine: Path) -> list[str]:
    """Names of the runtimes whose folders an engine has."""
    return [name for name, (folder, _) in DECODERS.items() if (engine / folder).is_dir()]


def decode_apart(name: str, engine: Path, clips: Sequence[np.ndarray]) -> list[str]:
    """Texts of int16 samples at 16 kHz. Raises UserError where the library cannot load a folder."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_decode, args=(send, name, engine, list(clips)))
    child.start()
    send.close()
    try:
        if not receive.poll(SECONDS):
            raise UserError(f"{engine}: {name} has not answered in {SECONDS} s")
        found = receive.recv()
    except EOFError:
        child.join()
        raise UserError(f"{engine}: {name} cannot load it (exit code {child.exitcode})") from None
    finally:
        child.terminate()
        child.join()
    if isinstance(found, str):
        raise UserError(f"{engine}: {name} cannot load it: {found}")
    return list(found)


def _decode(send: Connection, name: str, engine: Path, clips: Sequence[np.ndarray]) -> None:
    try:
        with quiet():
            folder, decode = DECODERS[name]
            found: list[str] | str = decode(engine / folder, clips)
    except (UserError, RuntimeError, OSError, ValueError) as error:
        found = f"{error}" or type(error).__name__
    send.send(found)


def _pocketsphinx(folder: Path, clips: Sequence[np.ndarray]) -> list[str]:
    from pocketsphinx import Decoder

    decoder = Decoder(
        hmm=str(folder / "acoustic"),
        dict=str(folder / "commands.dict"),
        lm=str(folder / "commands.lm"),
        loglevel="FATAL",
    )
    texts = []
    for samples in clips:
        decoder.start_utt()
        decoder.process_raw(np.ascontiguousarray(samples, "<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        texts.append(best.hypstr if best else "")
    return texts


def _client(name: str, folder: Path, clips: Sequence[np.ndarray]) -> list[str]:
    """In libdeepspeech or libstt."""
    from trainer import clients
    from trainer.machine import data_folder

    libraries = clients.fetch(data_folder() / "tools" / "clients")
    model = folder / clients.LIBRARIES[name][1]
    with clients.Library(libraries[name], model, folder / "kenlm.scorer") as loaded:
        return [loaded.transcribe(samples).text.strip() for samples in clips]


def _sherpa(folder: Path, clips: Sequence[np.ndarray]) -> list[str]:
    from trainer.speech_engine.acoustics.onnx import Sherpa

    return _best(Sherpa(folder), clips)


def _vosk(folder: Path, clips: Sequence[np.ndarray]) -> list[str]:
    from trainer.speech_engine.acoustics.kaldi import Vosk

    return _best(Vosk(folder), clips)


def _best(recognizer: Recognizer, clips: Sequence[np.ndarray]) -> list[str]:
    found = [recognizer.alternatives(samples, 1) for samples in clips]
    return [one[0].text if one else "" for one in found]


# name -> (folder of the engine, what decodes with it)
DECODERS: dict[str, tuple[str, Decode]] = {
    "pocketsphinx": ("pocketsphinx", _pocketsphinx),
    "deepspeech": ("deepspeech", partial(_client, "deepspeech")),
    "coqui-stt": ("deepspeech", partial(_client, "stt")),
    "sherpa": ("sherpa", _sherpa),
    "vosk": ("vosk", _vosk),
}
