"""Kaldi nnet3 models: final.mdl, tree, phones.txt. Recognised by Vosk, whose graph is fixed."""

import json
import shutil
from pathlib import Path

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.errors import UserError
from trainer.speech_engine.acoustics import Acoustics, Alternative, confidences, pocketsphinx
from trainer.speech_engine.graph import WORDS
from trainer.speech_engine.kaldi import files, hclg
from trainer.speech_engine.kaldi import phones as phones_of
from trainer.speech_engine.lexicon import Lexicon
from trainer.steps import fingerprint

KIND = "kaldi"
FOLDER = "vosk"
MODEL, TREE, PHONES = "final.mdl", "tree", "phones.txt"
MFCC = ("mfcc.conf", "mfcc_hires.conf")
VECTORS = ("ivector", "ivector_extractor")
OF_MODEL = "model.conf"
DEFAULTS = """--min-active=200
--max-active=7000
--beam=13.0
--lattice-beam=6.0
--acoustic-scale=1.0
--frame-subsampling-factor=3
"""


def acoustics(place: Path) -> Acoustics:
    """Of a folder with these files, below it in any place; pronunciations are PocketSphinx'.

    Raises UserError for phones that English needs and the model does not have.
    """
    phones = phones_of.read(_find(place, PHONES))
    known = pocketsphinx.acoustics()
    if lacking := phones_of.missing(phones, known.units):
        raise UserError(
            f"ACOUSTIC_MODEL: {_find(place, PHONES)}: lacks the phones {' '.join(lacking)} of "
            "English pronunciations (ARPABET)"
        )
    _find(place, *MFCC)
    key = fingerprint([_find(place, name) for name in (MODEL, TREE, PHONES)])
    return Acoustics(KIND, place, known.units, known.dictionary, key, "see the model's publisher")


def _find(place: Path, *names: str) -> Path:
    found = [path for name in names for path in sorted(place.rglob(name))]
    if not found:
        raise UserError(f"ACOUSTIC_MODEL: {place}: holds no {' or '.join(names)}")
    return found[0]


def write_graph(lexicon: Lexicon, arpa: Path, acoustics: Acoustics, out: Path) -> None:
    """HCLG.fst and words.txt. Raises UserError."""
    place = acoustics.place
    assert place is not None
    phones = phones_of.read(_find(place, PHONES))
    tree = files.read_tree(_find(place, TREE))
    transitions = files.read_transitions(_find(place, MODEL))
    hclg.write(lexicon, arpa, phones, tree, transitions, out)


def write(graph: Path, acoustics: Acoustics, out: Path) -> None:
    """vosk/: what Vosk loads as it is."""
    folder, place = out / FOLDER, acoustics.place
    assert place is not None
    for name in ("am", "conf", "graph"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_find(place, MODEL), folder / "am" / MODEL)
    shutil.copyfile(_find(place, *MFCC), folder / "conf" / "mfcc.conf")
    given = sorted(place.rglob(OF_MODEL))
    silences = phones_of.read(_find(place, PHONES)).silences
    text = given[0].read_text("utf-8") if given else DEFAULTS
    if "endpoint.silence-phones" not in text:
        text += f"--endpoint.silence-phones={':'.join(map(str, silences))}\n"
    (folder / "conf" / OF_MODEL).write_text(text, "utf-8")
    for name in (hclg.GRAPH, WORDS):
        shutil.copyfile(graph / name, folder / "graph" / name)
    for name in VECTORS:
        for found in sorted(place.rglob(name))[:1]:
            shutil.copytree(found, folder / "ivector", dirs_exist_ok=True)


class Vosk:
    """Vosk with the engine's graph."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError."""
        try:
            import vosk
        except ModuleNotFoundError as error:
            raise UserError("vosk is not installed here: the train image has it") from error
        vosk.SetLogLevel(-1)
        try:
            self._vosk, self._model = vosk, vosk.Model(str(folder))
        except Exception as error:  # Vosk raises nothing more specific
            raise UserError(f"{folder}: Vosk cannot load it ({error})") from error

    def alternatives(self, samples: np.ndarray, count: int) -> list[Alternative]:
        """See Recognizer."""
        recognizer = self._vosk.KaldiRecognizer(self._model, SAMPLE_RATE_HZ)
        recognizer.SetMaxAlternatives(max(count, 1))
        recognizer.AcceptWaveform(np.ascontiguousarray(samples, "<i2").tobytes())
        found: dict[str, float] = {}
        for one in json.loads(recognizer.FinalResult())["alternatives"]:
            found.setdefault(" ".join(one["text"].split()), -float(one["confidence"]))
        rows = [(text, cost) for text, cost in found.items() if text][:count]
        certain = confidences([cost for _, cost in rows], 1.0)
        return [
            Alternative(text, cost, cost, 0.0, share)
            for (text, cost), share in zip(rows, certain, strict=True)
        ]
