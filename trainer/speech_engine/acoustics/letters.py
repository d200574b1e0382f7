"""CTC models of letters: a run of `trainer stt`, or a model in ONNX as sherpa-onnx has them.

Recognised by our prefix beam search: the automaton of words takes run-time words in, which are
scored as the class HINT.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import to_float
from trainer.audio.mfcc import CONTEXT, MFCCS, Features, cepstra
from trainer.errors import UserError
from trainer.programs import run
from trainer.speech_engine import lexicon, ngrams
from trainer.speech_engine.acoustics import Acoustics, Alternative, confidences
from trainer.steps import fingerprint
from trainer.text import scorer as scorers
from trainer.text.alphabet import SPACE, Alphabet, read_alphabet
from trainer.text.decoder import LN10, Scorer, Search, decode_all
from trainer.text.scorer import Vocabulary, automaton, spelled, vocabulary_of

KIND = "letters"
FOLDER = "deepspeech"
NETWORK, ALPHABET, SCORER = "network.tflite", "alphabet.txt", "kenlm.scorer"
FILES = ("output_graph.pbmm", "output_graph.tflite")
ALPHA, BETA = 0.9, 1.2  # DeepSpeech 0.9.3's release has 0.93 and 1.18
BEAM_WIDTH = 200
ALTERNATIVES_MORE = 4  # candidates of the search for each alternative


def acoustics(place: Path) -> Acoustics:
    """Of the folder of a speech-to-text run. Raises UserError."""
    alphabet = read_alphabet(place / ALPHABET)
    if alphabet.of_bytes or SPACE not in alphabet.labels:
        raise UserError(f"ACOUSTIC_MODEL: {place}: its alphabet has no space: words need one")
    if not set("abcdefghijklmnopqrstuvwxyz") <= set(alphabet.labels):
        missing = sorted(set("abcdefghijklmnopqrstuvwxyz") - set(alphabet.labels))
        raise UserError(
            f"ACOUSTIC_MODEL: {place}: its alphabet lacks {' '.join(missing)}: commands in "
            "English need all letters"
        )
    files = [path for path in (_network(place), place / ALPHABET) if path.is_file()]
    key = fingerprint(files)
    return Acoustics(KIND, place, tuple(alphabet.labels), {}, key, "see the run's model card")


def _network(place: Path) -> Path:
    found = sorted(place.glob("*_float.tflite"))
    if not found:
        raise UserError(f"ACOUSTIC_MODEL: {place}: holds no *_float.tflite of a speech-to-text run")
    return found[0]


def write(search: Path, acoustics: Acoustics, out: Path) -> None:
    """deepspeech/: the network for our decoder and for the clients, alphabet and scorer."""
    place, folder = acoustics.place, out / FOLDER
    assert place is not None
    folder.mkdir(exist_ok=True)
    shutil.copyfile(_network(place), folder / NETWORK)
    shutil.copyfile(place / ALPHABET, folder / ALPHABET)
    for name in FILES:
        if found := sorted(
            p for p in place.glob(f"*{Path(name).suffix}") if "_float" not in p.name
        ):
            shutil.copyfile(found[0], folder / name)
    alphabet = read_alphabet(folder / ALPHABET)
    names = list(lexicon.read(out / lexicon.IN_ENGINE))
    binary = folder / "lm.binary"
    # -v: without the words' strings, behind which clients would not find the automaton
    run(["build_binary", "-a", "255", "-q", "8", "-v", "trie", str(search), str(binary)])
    scorers.write(binary, names, alphabet, ALPHA, BETA, folder / SCORER)
    binary.unlink()


class HintedScorer(Scorer):
    """A scorer whose automaton has the hints too; they are scored as HINT."""

    def __init__(
        self,
        path: Path,
        alphabet: Alphabet,
        words: Sequence[str],
        hints: Sequence[str],
        cost: float,
    ) -> None:
        """`words`: of the lexicon. Raises UserError."""
        super().__init__(path, alphabet)
        self._hints, self._cost = frozenset(hints), cost
        if hints:
            sequences, _ = spelled([*words, *hints], alphabet)
            self.vocabulary: Vocabulary = vocabulary_of(
                automaton(sequences), len(alphabet.labels) + 1
            )

    def word(self, state: Any, word: str) -> tuple[float, Any]:
        """See Scorer."""
        if word in self._hints:
            after = self._state()
            score = self.model.BaseScore(state, ngrams.HINT, after) * LN10
            return score - self._cost, after
        return super().word(state, word)


class Network:
    """The acoustic network in LiteRT: int16 samples -> log probabilities, blank last."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._inputs = {d["name"]: d for d in self._interpreter.get_input_details()}
        self._outputs = {d["name"]: d for d in self._interpreter.get_output_details()}
        self._steps = int(self._inputs["input_node"]["shape"][1])

    def log_probs(self, samples: np.ndarray) -> np.ndarray:
        """float32 (frames, classes)."""
        features = Features()
        frames = cepstra(features.log_mels(features.padded(to_float(samples))))
        wide = np.pad(frames, ((CONTEXT, CONTEXT), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * CONTEXT + 1, MFCCS))[:, 0]
        count, interpreter = len(frames), self._interpreter
        state = [np.zeros(self._inputs[f"previous_state_{s}"]["shape"], np.float32) for s in "ch"]
        found = []
        for at in range(0, count, self._steps):
            some = windows[at : at + self._steps]
            batch = np.zeros((1, self._steps, 2 * CONTEXT + 1, MFCCS), np.float32)
            batch[0, : len(some)] = some
            interpreter.set_tensor(self._inputs["input_node"]["index"], batch)
            for name, value in zip("ch", state, strict=True):
                interpreter.set_tensor(self._inputs[f"previous_state_{name}"]["index"], value)
            interpreter.invoke()
            state = [interpreter.get_tensor(self._outputs[f"new_state_{s}"]["index"]) for s in "ch"]
            found.append(interpreter.get_tensor(self._outputs["logits"]["index"])[: len(some)])
        probabilities = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
        return np.log(np.maximum(probabilities, 1e-30)).astype(np.float32)


class LettersRecognizer:
    """Our decoder over a CTC network."""

    def __init__(
        self,
        network: Any,
        alphabet: Alphabet,
        scorer: HintedScorer,
        second: Any,
        hints: Sequence[str],
    ) -> None:
        self._network, self._alphabet, self._scorer = network, alphabet, scorer
        self._second, self._hints = second, frozenset(hints)

    def alternatives(self, samples: np.ndarray, count: int) -> list[Alternative]:
        """See Recognizer."""
        scores = self._network.log_probs(samples)
        search = Search(beam_width=BEAM_WIDTH, cutoff_top_n=20, cutoff_prob=0.9999)
        wide = count * ALTERNATIVES_MORE if count > 1 else 1
        found: dict[str, float] = {}
        for labels, score in decode_all(scores, search, self._scorer, wide):
            found.setdefault(" ".join(self._alphabet.decode(labels).split()), -score)
        rows = sorted((self._costs(text, cost) for text, cost in found.items()), key=lambda r: r[1])
        certain = confidences([row[1] for row in rows], 1.0)
        return [
            Alternative(text, cost, cost - ALPHA * lm, lm, share)
            for (text, cost, lm), share in zip(rows[:count], certain, strict=False)
            if text
        ]

    def _costs(self, text: str, cost: float) -> tuple[str, float, float]:
        """(text, total, second language model) after ranking again."""
        classes = " ".join(ngrams.HINT if w in self._hints else w for w in text.split())
        first = -self._scorer.model.score(classes, eos=False) * LN10
        second = -self._second.score(classes, eos=False) * LN10
        return text, cost + ALPHA * (second - first), second


def load(engine: Path, hints: Sequence[str], cost: float, second: Path) -> LettersRecognizer:
    """The recognizer of an engine's folder. Raises UserError."""
    import kenlm

    folder = engine / FOLDER
    alphabet = read_alphabet(folder / ALPHABET)
    words = list(lexicon.read(engine / lexicon.IN_ENGINE))
    scorer = HintedScorer(folder / SCORER, alphabet, words, hints, cost)
    network = Network(folder / NETWORK)
    return LettersRecognizer(network, alphabet, scorer, kenlm.Model(str(second)), hints)
