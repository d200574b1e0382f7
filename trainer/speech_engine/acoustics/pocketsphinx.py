"""PocketSphinx' English model: phones, its dictionary, its decoder with words added at run time.

Hints are members of the class HINT of the language model (Sphinx's class definitions): the graph
is built in memory when a decoder is loaded, in a third of a second for 20,000 words.
"""

import math
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import UserError
from trainer.speech_engine.acoustics import Acoustics, Alternative, confidences
from trainer.speech_engine.lexicon import Lexicon
from trainer.speech_engine.ngrams import HINT

FOLDER = "pocketsphinx"
DICTIONARY, MODEL, ACOUSTIC = "commands.dict", "commands.lm", "acoustic"
LICENCE = "BSD-2-Clause (CMU Sphinx, en-us)"
NATS = 1024.0  # of a score: senone scores are shifted by ten bits
LANGUAGE_WEIGHT = 6.5
# two densities instead of four, phones looked ahead: a quarter faster, with fewer errors
FASTER = {"topn": 2, "pl_window": 5}
RESCORE = 0.7  # of the way from the first language model to the second
TRIED = 400  # paths of the lattice, of which many are the same words
NOBODY = "#unsaid"
VARIANT = re.compile(r"\(\d+\)$")
NOISE = re.compile(r"<[^>]*>|\[[^]]*\]|\(\d+\)")


@cache
def _home() -> Path:
    try:
        import pocketsphinx
    except ModuleNotFoundError as error:
        raise UserError("pocketsphinx is not installed here: the train image has it") from error
    return Path(pocketsphinx.get_model_path()) / "en-us"


@cache
def acoustics() -> Acoustics:
    """The model in the package's wheel."""
    found = dictionary(_home() / "cmudict-en-us.dict")
    phones = sorted({p for all_ in found.values() for one in all_ for p in one.split()})
    return Acoustics("pocketsphinx", None, tuple(phones), found, "en-us-5.1", LICENCE)


def dictionary(path: Path) -> Lexicon:
    """word -> pronunciations, of a Sphinx dictionary."""
    found: Lexicon = {}
    for line in path.read_text(encoding="ascii", errors="ignore").splitlines():
        word, _, phones = line.partition(" ")
        found.setdefault(VARIANT.sub("", word), []).append(" ".join(phones.split()))
    return found


def write(lexicon: Lexicon, arpa: Path, out: Path) -> None:
    """The folder that PocketSphinx loads as it is: -hmm acoustic -dict commands.dict
    -lm commands.lm."""
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    shutil.copytree(_home() / "en-us", folder / ACOUSTIC, dirs_exist_ok=True)
    (folder / DICTIONARY).write_text(_as_dictionary(lexicon), encoding="ascii")
    shutil.copyfile(arpa, folder / MODEL)


def _as_dictionary(lexicon: Lexicon) -> str:
    return "".join(
        f"{word}{f'({n})' if n > 1 else ''} {phones}\n"
        for word in sorted(lexicon)
        for n, phones in enumerate(lexicon[word], 1)
    )


class PocketSphinx:
    """A decoder with the words and the language model of an engine, or the package's own."""

    def __init__(
        self,
        engine: Path | None,
        hints: Mapping[str, Sequence[str]] = {},
        hint_cost: float = 0.0,
        models: tuple[Path, Path] | None = None,
    ) -> None:
        """`engine`: the folder of an engine; None: the general model. `hints`: word ->
        pronunciations; `models`: the first and the second language model (KenLM's binaries), to
        rank alternatives again. Raises UserError."""
        from pocketsphinx import Decoder

        self._search = self._rescore = None
        options: dict[str, Any] = {"loglevel": "FATAL", "cmn": "batch"} | FASTER
        with tempfile.TemporaryDirectory() as folder:
            if engine is None:
                options["dict"] = str(_home() / "cmudict-en-us.dict")
                options |= {"hmm": str(_home() / "en-us"), "lm": str(_home() / "en-us.lm.bin")}
            else:
                options |= self._own(engine / FOLDER, hints, hint_cost, Path(folder))
            try:
                self._decoder = Decoder(**options)
            except RuntimeError as error:
                raise UserError(
                    f"{engine or 'pocketsphinx'}: cannot be loaded ({error})"
                ) from error
        if models is not None:
            import kenlm

            self._search, self._rescore = (kenlm.Model(str(path)) for path in models)
        self._hints = frozenset(hints)

    def _own(
        self, home: Path, hints: Mapping[str, Sequence[str]], cost: float, folder: Path
    ) -> dict[str, Any]:
        options = {"hmm": str(home / ACOUSTIC), "dict": str(home / DICTIONARY)}
        known = dictionary(home / DICTIONARY) if hints else {}
        new = {word: list(given) for word, given in hints.items() if word not in known}
        if not new:
            return options | {"lm": str(home / MODEL)}
        words, classes, control = (folder / name for name in ("dict", "classes", "control"))
        words.write_text(_as_dictionary(known | new), encoding="ascii")
        # the decoder scales probabilities in a class to a sum of one: what is left is for a word
        # that has no pronunciation
        share = min(math.exp(-cost), 1 / len(new))
        rest = max(1 - len(new) * share, 1e-9)
        rows = "".join(f"{word} {share:.9f}\n" for word in sorted(new)) + f"{NOBODY} {rest:.9f}\n"
        classes.write_text(f"LMCLASS {HINT}\n{rows}END {HINT}\n", encoding="ascii")
        control.write_text(f"{{ {classes} }}\n{home / MODEL} main {{ {HINT} }}\n", encoding="utf-8")
        return options | {"dict": str(words), "lmctl": str(control), "lmname": "main"}

    def alternatives(self, samples: np.ndarray, count: int) -> list[Alternative]:
        """See Recognizer."""
        self._decoder.start_utt()
        self._decoder.process_raw(np.ascontiguousarray(samples, "<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        return self._ranked(count)

    def alternatives_along(self, parts: Iterable[bytes], count: int) -> list[Alternative]:
        """The same of parts of an utterance as they come: searched while it is spoken."""
        self._decoder.start_utt()
        for part in parts:
            self._decoder.process_raw(part, no_search=False, full_utt=False)
        self._decoder.end_utt()
        return self._ranked(count)

    def _ranked(self, count: int) -> list[Alternative]:
        decoder = self._decoder
        best = decoder.hyp()
        if best is None:
            return []
        found: dict[str, float] = {_words(best.hypstr): -math.log(max(best.score, 1e-300)) * NATS}
        if count > 1:
            for number, one in enumerate(decoder.nbest()):
                if one is None or number >= TRIED or len(found) >= max(count, 32):
                    break
                cost = -math.log(max(one.score, 1e-300)) * NATS
                text = _words(one.hypstr)
                found[text] = min(cost, found.get(text, cost))
        rows = [(text, *self._costs(text, cost)) for text, cost in found.items()]
        rows.sort(key=lambda row: row[1])
        chosen = rows[:count]
        certain = confidences([row[1] for row in rows], 2 * LANGUAGE_WEIGHT)
        return [
            Alternative(text, cost, cost - LANGUAGE_WEIGHT * lm, lm, share)
            for (text, cost, lm), share in zip(chosen, certain, strict=False)
        ]

    def _costs(self, text: str, cost: float) -> tuple[float, float]:
        """(total, of the language model) after ranking again."""
        if self._search is None or self._rescore is None:
            return cost, 0.0
        classes = " ".join(HINT if word in self._hints else word for word in text.split())
        first = -self._search.score(classes) * math.log(10)
        second = -self._rescore.score(classes) * math.log(10)
        return cost + RESCORE * LANGUAGE_WEIGHT * (second - first), second


def _words(text: str) -> str:
    return " ".join(NOISE.sub(" ", text).split())
