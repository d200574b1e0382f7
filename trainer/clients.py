"""The clients' own libraries through their C interface: libdeepspeech 0.9.3 and libstt 1.4.0.

Their wheels are for old Pythons, so only the libraries in them are used.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import quiet
from trainer.programs import run

LOCK = Path(__file__).with_name("clients.lock")
LIBRARIES = {  # name -> (library in the unpacked wheel, the file that it loads)
    "deepspeech": ("deepspeech-0.9.3/deepspeech/lib/libdeepspeech.so", "output_graph.pbmm"),
    "deepspeech-tflite": (
        "deepspeech_tflite-0.9.3/deepspeech/lib/libdeepspeech.so",
        "output_graph.tflite",
    ),
    "stt": ("stt-1.4.0/stt/lib/libstt.so", "output_graph.tflite"),
}


def fetch(home: Path) -> dict[str, Path]:
    """The libraries by name: of the image, or downloaded once (by hash) and unpacked in `home`.

    Raises ProgramError when the download fails.
    """
    home = Path(os.environ.get("VOICEKILN_CLIENTS") or home)
    found = {name: home / library for name, (library, _) in LIBRARIES.items()}
    if all(path.exists() for path in found.values()):
        return found
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # not in `home`: a kill would leave it there
        options = "--quiet --no-deps --only-binary=:all: --require-hashes --python-version=39"
        options += " --implementation=cp --abi=cp39 --platform=manylinux1_x86_64"
        options += " --platform=manylinux2014_x86_64 --platform=manylinux_2_24_x86_64"
        command = [sys.executable, "-m", "pip", "download", *options.split()]
        run([*command, "--requirement", str(LOCK), "--dest", folder], timeout_seconds=600)
        for wheel in Path(folder).glob("*.whl"):
            target = home / "-".join(wheel.name.split("-")[:2])
            partial = target.with_name(target.name + ".partial")
            for old in (target, partial):
                shutil.rmtree(old, ignore_errors=True)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(partial)
            partial.rename(target)
    return found


class _Token(ctypes.Structure):
    _fields_ = [
        ("text", ctypes.c_char_p),
        ("timestep", ctypes.c_uint),
        ("start_time", ctypes.c_float),
    ]


class _Candidate(ctypes.Structure):
    _fields_ = [
        ("tokens", ctypes.POINTER(_Token)),
        ("num_tokens", ctypes.c_uint),
        ("confidence", ctypes.c_double),
    ]


class _Metadata(ctypes.Structure):
    _fields_ = [("transcripts", ctypes.POINTER(_Candidate)), ("num_transcripts", ctypes.c_uint)]


@dataclass(frozen=True)
class Hypothesis:
    """A client's best candidate for a clip. `words`: with the second in which each begins."""

    text: str
    confidence: float
    words: tuple[tuple[str, float], ...] = ()


class Library:
    """One loaded model. A context manager: the library frees it."""

    def __init__(self, library: Path, model: Path, scorer: Path | None = None) -> None:
        """Raises UserError."""
        self._prefix = "STT" if library.name == "libstt.so" else "DS"
        if self._prefix == "STT":
            ctypes.CDLL(str(library.with_name("libkenlm.so")), ctypes.RTLD_GLOBAL)
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as error:
            raise UserError(f"{library}: not a library that can be loaded ({error})") from error
        if not hasattr(self._library, f"{self._prefix}_CreateModel"):
            raise UserError(f"{library}: neither libdeepspeech.so 0.9.3 nor libstt.so 1.4.0")
        self._model = ctypes.c_void_p()
        with quiet():  # it prints its versions
            code = self._call("CreateModel", os.fsencode(model), ctypes.byref(self._model))
        self._check(code, model)
        if scorer:
            self._check(
                self._call("EnableExternalScorer", self._model, os.fsencode(scorer)), scorer
            )

    def _call(self, name: str, *arguments: object) -> int:
        return int(getattr(self._library, f"{self._prefix}_{name}")(*arguments))

    def _check(self, code: int, path: Path) -> None:
        if code:
            message = getattr(self._library, f"{self._prefix}_ErrorCodeToErrorMessage")
            message.restype = ctypes.c_char_p
            raise UserError(f"{path}: {message(code).decode()} (0x{code:04x})")

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        free = getattr(self._library, f"{self._prefix}_FreeModel")
        free.restype = None
        free(self._model)

    def add_hot_word(self, word: str, boost: float) -> None:
        """Make a word of the scorer more likely, or less for a negative boost. Raises UserError."""
        code = self._call("AddHotWord", self._model, word.encode(), ctypes.c_float(boost))
        self._check(code, Path(f"hot word '{word}'"))

    @property
    def sample_rate_hz(self) -> int:
        """The rate that the model expects."""
        return self._call("GetModelSampleRate", self._model)

    def transcribe(self, samples: np.ndarray) -> Hypothesis:
        """int16 (n,) at the model's rate -> text and confidence of the best candidate."""
        given = np.ascontiguousarray(samples, np.int16)
        decode = getattr(self._library, f"{self._prefix}_SpeechToTextWithMetadata")
        decode.restype = ctypes.POINTER(_Metadata)
        found = decode(
            self._model,
            given.ctypes.data_as(ctypes.POINTER(ctypes.c_short)),
            ctypes.c_uint(len(given)),
            ctypes.c_uint(1),
        )
        if not found:
            raise UserError("the client could not run the model")
        best = found.contents.transcripts[0]
        tokens = [best.tokens[i] for i in range(best.num_tokens)]
        text = b"".join(token.text for token in tokens).decode(errors="replace")
        hypothesis = Hypothesis(text, best.confidence, _words(tokens))
        free = getattr(self._library, f"{self._prefix}_FreeMetadata")
        free.restype = None
        free(found)
        return hypothesis


def _words(tokens: list[_Token]) -> tuple[tuple[str, float], ...]:
    """(word, start in seconds) of a candidate's letters."""
    found: list[tuple[bytes, float]] = []
    inside = False
    for token in tokens:
        if not token.text.strip():
            inside = False
        elif inside:
            found[-1] = found[-1][0] + token.text, found[-1][1]
        else:
            found.append((token.text, float(token.start_time)))
            inside = True
    return tuple((text.decode(errors="replace"), start) for text, start in found)
