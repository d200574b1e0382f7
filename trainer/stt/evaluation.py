"""Evaluation: the network and our decoder, and the exported files in the clients' own libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer import store
from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.clients import Hypothesis, Library
from trainer.corpora.utterance import Utterance
from trainer.metrics.bootstrap import bootstrap
from trainer.metrics.error_rate import edit_counts, error_kinds, error_rate
from trainer.store import Row, Store
from trainer.stt.preparation import Mels, mfcc_batch
from trainer.text.alphabet import Alphabet
from trainer.text.decoder import Search, decode, load_scorer
from trainer.workers import Workers

if TYPE_CHECKING:
    from trainer.models.speech import deepspeech

Figures = dict[str, Any]  # JSON

CHUNK = 32
SCORED_AT_ONCE = 256


class Scores(Store):
    """Log probabilities of the network, one float32 row a frame, in the order of the set."""

    dtype = np.float32

    def __init__(self, folder: Path, classes: int) -> None:
        self.width = classes
        super().__init__(folder)


def network_scores(
    weights: Path, spec: deepspeech.Spec, stored: Path, batch_size: int, out: Path
) -> None:
    """A `Scores` store of the set in `stored`; finished chunks of an interrupted run are kept."""
    from trainer.models.speech import deepspeech

    model = deepspeech.build(spec)
    with np.load(weights) as saved:
        deepspeech.load_weights(model, dict(saved))
    mels = Mels(stored)

    def make(_: Any, chunk: int) -> Iterator[Row]:
        numbers = np.arange(chunk * SCORED_AT_ONCE, min((chunk + 1) * SCORED_AT_ONCE, len(mels)))
        order = numbers[np.argsort(mels.index["length"][numbers], kind="stable")]
        found = {}
        for at in range(0, len(order), batch_size):
            some = order[at : at + batch_size]
            frames = [mels.raw(int(n)) for n in some]
            logits = np.asarray(
                model.predict_on_batch(
                    mfcc_batch([*frames, *[frames[0]] * (batch_size - len(frames))])
                )
            )
            for n, row, given in zip(some, logits, frames, strict=False):
                kept = row[: len(given)].astype(np.float32)
                found[int(n)] = kept - np.logaddexp.reduce(kept, axis=-1, keepdims=True)
        for n in numbers:
            yield found[int(n)], int(n), -1

    store.build(out, make, None, -(-len(mels) // SCORED_AT_ONCE), "scoring", None)


def search_clips(
    alphabet: Alphabet, search: Search, scorer: Path | None, places: Sequence[tuple[Path, int]]
) -> list[str]:
    """In a worker: texts of clips, each (folder of its scores, number)."""
    loaded = load_scorer(scorer, alphabet) if scorer else None
    stores = {
        folder: Scores(folder, len(alphabet.labels) + 1)
        for folder in {folder for folder, _ in places}
    }
    return [
        alphabet.decode(decode(stores[folder].raw(number), search, loaded)[0]).strip()
        for folder, number in places
    ]


def search_all(
    folder: Path,
    alphabet: Alphabet,
    search: Search,
    scorer: Path | None,
    workers: Workers,
    label: str,
) -> list[str]:
    """Texts of all clips of a store, in order."""
    count = len(Scores(folder, len(alphabet.labels) + 1))
    parts = [
        [(folder, i) for i in range(at, min(at + CHUNK, count))] for at in range(0, count, CHUNK)
    ]
    return [
        text
        for found in workers.run(partial(search_clips, alphabet, search, scorer), parts, label)
        for text in found
    ]


@dataclass(frozen=True)
class Client:
    """A library, and the model and scorer to load."""

    library: Path
    model: Path
    scorer: Path | None = None

    def load(self) -> Library:
        """The library with both loaded. Raises UserError."""
        return Library(self.library, self.model, self.scorer)


def read_clips(sample_rate_hz: int, utterances: Sequence[Utterance]) -> list[np.ndarray]:
    """int16 samples of clips. Raises AudioError with the file's name."""
    found = []
    for u in utterances:
        try:
            found.append(
                audio.to_int16(audio.read(Path(u.path), u.start, u.end, u.channel, sample_rate_hz))
            )
        except AudioError as error:
            raise AudioError(f"{u.path}: {error}") from error
    return found


def read_all(
    sample_rate_hz: int, utterances: Sequence[Utterance], workers: Workers, label: str
) -> list[np.ndarray]:
    """`read_clips` by worker processes."""
    chunks = [utterances[at : at + CHUNK] for at in range(0, len(utterances), CHUNK)]
    return [
        samples
        for found in workers.run(partial(read_clips, sample_rate_hz), chunks, label)
        for samples in found
    ]


def transcribe(client: Client, clips: Sequence[np.ndarray]) -> list[Hypothesis]:
    """Hypotheses of the client's library for int16 samples. Raises UserError."""
    with client.load() as loaded:
        return [loaded.transcribe(samples) for samples in clips]


def transcribe_all(
    client: Client, clips: Sequence[np.ndarray], workers: Workers, label: str
) -> list[Hypothesis]:
    """`transcribe` by worker processes."""
    chunks = [clips[at : at + CHUNK] for at in range(0, len(clips), CHUNK)]
    found = workers.run(partial(transcribe, client), chunks, label)
    return [hypothesis for part in found for hypothesis in part]


def agreement(hypotheses: Sequence[str], others: Sequence[str]) -> float:
    """Share of `hypotheses` that equal the text at the same place in `others`."""
    equal = (a.strip() == b.strip() for a, b in zip(hypotheses, others, strict=False))
    return sum(equal) / max(len(hypotheses), 1)


def by_clip(clips: Sequence[Utterance], hypotheses: Sequence[str]) -> list[dict[str, Any]]:
    """Every clip with its errors, by the names of DeepSpeech's `--test_output_file`."""
    words, characters = edit_counts([u.transcript for u in clips], hypotheses)
    found = []
    for u, hypothesis, of_words, of_chars in zip(clips, hypotheses, words, characters, strict=True):
        part = {"start": u.start, "end": u.end} if u.start or u.end else {}
        found.append(
            {"wav_filename": u.path, **part, "src": u.transcript, "res": hypothesis}
            | {"word_distance": int(of_words[0]), "word_length": int(of_words[1])}
            | {"char_distance": int(of_chars[0]), "char_length": int(of_chars[1])}
            | {"wer": of_words[0] / max(of_words[1], 1), "cer": of_chars[0] / max(of_chars[1], 1)}
        )
    return found


def error_rates(references: Sequence[str], hypotheses: Sequence[str], count: int = 5) -> Figures:
    """WER and CER with 95 % intervals, kinds of errors, best, median and worst `count` clips."""
    words, characters = edit_counts(references, hypotheses)
    order = np.lexsort(
        [counts[:, 0] / np.maximum(counts[:, 1], 1) for counts in (characters, words)]
    )  # by words, those alike by characters
    middle = max(0, len(order) // 2 - count // 2)

    def shown(numbers: Any) -> list[dict[str, str]]:
        return [{"reference": references[i], "hypothesis": hypotheses[i]} for i in numbers]

    return {
        "clips": len(references),
        "wer": error_rate(words),
        "wer_interval": bootstrap(words),
        "cer": error_rate(characters),
        "cer_interval": bootstrap(characters),
        **error_kinds(references, hypotheses),
        "best": shown(order[:count]),
        "median": shown(order[middle : middle + count]),
        "worst": shown(order[::-1][:count]),
    }
