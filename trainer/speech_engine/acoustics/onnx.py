"""CTC models of letters in ONNX, as sherpa-onnx has them: model.onnx and tokens.txt.

Recognised by sherpa-onnx itself, with our graph: it is static and takes no words at run time.
"""

import shutil
from pathlib import Path

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, to_float
from trainer.errors import UserError
from trainer.speech_engine.acoustics import Acoustics, Alternative
from trainer.speech_engine.graph import GRAPH, SPACE, WORDS
from trainer.steps import fingerprint

KIND = "onnx"
FOLDER = "sherpa"
NETWORK, TOKENS = "model.onnx", "tokens.txt"
BLANKS = ("<blk>", "<blank>", "<eps>")
SPACES = ("\u2581", "|", "<space>", " ")
MOST_ACTIVE = 3000


def acoustics(place: Path) -> Acoustics:
    """Of a folder with both files. Raises UserError for tokens that are not letters."""
    units = _units(place / TOKENS)
    key = fingerprint([place / NETWORK, place / TOKENS])
    return Acoustics(KIND, place, units, {}, key, "see the model's publisher")


def _units(path: Path) -> tuple[str, ...]:
    """Letters and the space in the order of the outputs after the blank."""
    rows = [
        line.rsplit(" ", 1)
        for line in path.read_text("utf-8", "replace").splitlines()
        if line.strip()
    ]
    try:
        numbered = sorted((int(number), token) for token, number in rows)
    except ValueError as error:
        raise UserError(f"{path}: its lines must be a token, a space and a number") from error
    tokens = [token for _, token in numbered]
    if not tokens or tokens[0] not in BLANKS:
        raise UserError(f"{path}: token 0 must be the blank ({', '.join(BLANKS)}), as sherpa wants")
    units = tuple(SPACE if token in SPACES else token.lower() for token in tokens[1:])
    if longer := [unit for unit in units if len(unit) > 1 and not unit.startswith("<")]:
        raise UserError(
            f"{path}: '{longer[0]}' is a piece of a word: graphs are built of single letters"
        )
    if SPACE not in units or not set("abcdefghijklmnopqrstuvwxyz") <= set(units):
        raise UserError(f"{path}: all letters a to z and a space ({SPACES[0]}) are needed")
    return units


def write(graph: Path, acoustics: Acoustics, out: Path) -> None:
    """sherpa/: what sherpa-onnx loads as it is."""
    folder, place = out / FOLDER, acoustics.place
    assert place is not None
    folder.mkdir(exist_ok=True)
    for name in (NETWORK, TOKENS):
        shutil.copyfile(place / name, folder / name)
    for name in (GRAPH, WORDS):
        shutil.copyfile(graph / name, folder / name)


class Sherpa:
    """sherpa-onnx with a graph."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError."""
        try:
            from sherpa_onnx.lib import _sherpa_onnx as native
        except ModuleNotFoundError as error:
            raise UserError("sherpa-onnx is not installed here: the train image has it") from error
        config = native.OfflineRecognizerConfig(
            feat_config=native.FeatureExtractorConfig(sampling_rate=SAMPLE_RATE_HZ, feature_dim=80),
            model_config=native.OfflineModelConfig(
                zipformer_ctc=native.OfflineZipformerCtcModelConfig(model=str(folder / NETWORK)),
                tokens=str(folder / TOKENS),
                num_threads=1,
            ),
            ctc_fst_decoder_config=native.OfflineCtcFstDecoderConfig(
                graph=str(folder / GRAPH), max_active=MOST_ACTIVE
            ),
            decoding_method="greedy_search",
        )
        self._recognizer = native.OfflineRecognizer(config)

    def alternatives(self, samples: np.ndarray, count: int) -> list[Alternative]:
        """See Recognizer; sherpa-onnx gives the best one only."""
        stream = self._recognizer.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, to_float(samples))
        self._recognizer.decode_stream(stream)
        text = " ".join(stream.result.text.lower().split())
        return [Alternative(text, 0.0, 0.0, 0.0, 1.0)] if text else []
