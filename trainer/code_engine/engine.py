"""The folder of one model, and the model loaded from it: Serenade's names, and CTranslate2's.

Serenade's tarball holds model.npz, vocab.yml or vocab.spm, <language>_<model>_lexicon.txt,
config.yml, tokens.txt and v.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.code_engine.export import ctranslate, marian
from trainer.errors import UserError
from trainer.spoken_code import vocabulary
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL, PARSER

RECORD = "engine.json"
FORMAT = 1
LONGEST = {AUTO_STYLE: 75, LANGUAGE_MODEL: 100, PARSER: 150}  # tokens of an output


@dataclass(frozen=True)
class Hypothesis:
    """Tokens, and the sum of their log-probabilities, the end's included."""

    tokens: tuple[str, ...]
    score: float

    @property
    def normalized(self) -> float:
        """The score a token."""
        return self.score / (len(self.tokens) + 1)


class Engine:
    """One model, in CTranslate2. Raises UserError for folders that are no engine, of another
    version, or not complete."""

    def __init__(self, folder: Path, threads: int = 1, kind: str = ctranslate.SMALL) -> None:
        self.folder, self._threads, self._kind = folder, threads, kind
        self.record = read_record(folder)
        self.model: str = self.record["model"]
        self.languages: list[str] = self.record["languages"]
        self.context: int = self.record["context"]  # tokens
        if self.model == LANGUAGE_MODEL:
            from sentencepiece import SentencePieceProcessor

            self._pieces = SentencePieceProcessor(model_file=str(folder / marian.PIECES))
        else:
            self.known = vocabulary.read(folder / self.record["lexicon"])

    @cached_property
    def translator(self) -> Any:
        """CTranslate2's; loaded when it is first used."""
        return ctranslate.load(self.folder, self._kind, self._threads)

    def best(self, source: Sequence[str], count: int, beam: int = 0) -> list[Hypothesis]:
        """The best outputs for a source, with unknown tokens put back; those with the name of an
        unknown token that the source does not have are left out. Raises UserError."""
        source, named = self._replaced(source)
        found = self.translator.translate_batch(
            [list(source)],
            beam_size=max(count, beam),
            num_hypotheses=count,
            length_penalty=0,
            return_scores=True,
            disable_unk=True,
            max_decoding_length=LONGEST[self.model],
        )[0]
        return [
            Hypothesis(tuple(named.get(t, t) for t in tokens), score)
            for tokens, score in zip(found.hypotheses, found.scores, strict=True)
            if not any(t in vocabulary.UNKNOWNS and t not in named for t in tokens)
        ]

    def scores(self, source: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[float]:
        """Sums of log-probabilities of outputs. Raises UserError."""
        if self.model == LANGUAGE_MODEL:
            first = self._pieces.encode(" ".join(source), out_type=str)
            targets = [self._pieces.encode(" ".join(one), out_type=str) for one in outputs]
        else:
            first, named = self._replaced(source)
            back = {token: name for name, token in named.items()}
            targets = [[back.get(t, t) for t in one] for one in outputs]
        found = self.translator.score_batch([list(first)] * len(targets), targets)
        return [sum(one.log_probs) for one in found]

    def _replaced(self, source: Sequence[str]) -> tuple[Sequence[str], dict[str, str]]:
        if self.model == LANGUAGE_MODEL:
            return self._pieces.encode(" ".join(source), out_type=str), {}
        found = self.known.replaced(source, random.Random(" ".join(source)))
        if found is None:
            unknown = sorted(set(source) - set(self.known.numbers))
            raise UserError(
                f"over 20 words that the model does not know ({', '.join(unknown[:5])}, ...): "
                "say it in parts"
            )
        return found


def read_record(folder: Path) -> dict[str, Any]:
    """engine.json, with all files there. Raises UserError."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        files, version, model = dict(record["files"]), record["format"], record["model"]
    except FileNotFoundError:
        raise UserError(f"{folder}: no folder of a code engine: it has no {RECORD}") from None
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); copy the folder again") from error
    if version != FORMAT or model not in LONGEST:
        raise UserError(
            f"{path}: of format {version}, model {model}; this version reads format {FORMAT}"
        )
    for name, size in files.items():
        there = (folder / name).stat().st_size if (folder / name).is_file() else -1
        if there != size:
            what = "missing" if there < 0 else f"{there} bytes instead of {size}"
            raise UserError(f"{folder / name}: {what}: the folder is not complete; copy it again")
    return dict(record)
