"""What a model makes of clips: the network and our decoder, and the exported files in the clients' own libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio, clips
from trainer.audio import AudioError
from trainer.clips import Row, Store
from trainer.metrics import bootstrap, edit_counts, error_kinds, error_rate
from trainer.readers import Utterance
from trainer.stt.client import Client, Heard
from trainer.stt.decoder import Search, decode, load_scorer
from trainer.stt.preparation import Mels, mfcc_batch
from trainer.text import Alphabet
from trainer.workers import Workers

CHUNK = 32
SCORED_AT_ONCE = 256


class Scores(Store):
    """Log probabilities of the network: float32 rows, one a frame; as many clips as the set has, in its order."""

    dtype = np.float32

    def __init__(self, folder: Path, classes: int) -> None:
        self.width = classes
        super().__init__(folder)


def network_scores(weights: Path, spec: Any, stored: Path, batch_size: int, out: Path) -> None:
    """A `Scores` store of the set in `stored`; goes on with the chunks that an interrupted run left."""
    from trainer.models import deepspeech

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
            logits = np.asarray(model.predict_on_batch(mfcc_batch([*frames, *[frames[0]] * (batch_size - len(frames))])))
            for n, row, given in zip(some, logits, frames, strict=False):
                kept = row[: len(given)].astype(np.float32)
                found[int(n)] = kept - np.logaddexp.reduce(kept, axis=-1, keepdims=True)
        for n in numbers:
            yield found[int(n)], int(n), -1

    clips.build(out, make, None, -(-len(mels) // SCORED_AT_ONCE), "scoring", None)


def search_clips(alphabet: Alphabet, search: Search, scorer: Path | None, places: Sequence[tuple[Path, int]]) -> list[str]:
    """In a worker: texts of clips, each (folder of its scores, number)."""
    loaded = load_scorer(scorer, alphabet) if scorer else None
    stores = {folder: Scores(folder, len(alphabet.labels) + 1) for folder in {folder for folder, _ in places}}
    return [alphabet.decode(decode(stores[folder].raw(number), search, loaded)[0]).strip() for folder, number in places]


def search_all(folder: Path, alphabet: Alphabet, search: Search, scorer: Path | None, workers: Workers, label: str) -> list[str]:
    """Texts of all clips of a store, in order."""
    count = len(Scores(folder, len(alphabet.labels) + 1))
    parts = [[(folder, i) for i in range(at, min(at + CHUNK, count))] for at in range(0, count, CHUNK)]
    return [text for found in workers.run(partial(search_clips, alphabet, search, scorer), parts, label) for text in found]


@dataclass(frozen=True)
class Run:
    """A library, the model and scorer it loads."""

    library: Path
    model: Path
    scorer: Path | None = None

    def client(self) -> Client:
        """The client with both loaded. Raises ClientError."""
        return Client(self.library, self.model, self.scorer)


def read_clips(sample_rate_hz: int, utterances: Sequence[Utterance]) -> list[np.ndarray]:
    """int16 samples of clips. Raises AudioError with the file's name."""
    found = []
    for u in utterances:
        try:
            found.append(audio.to_int16(audio.read(Path(u.path), u.start, u.end, u.channel, sample_rate_hz)))
        except AudioError as error:
            raise AudioError(f"{u.path}: {error}") from error
    return found


def read_all(sample_rate_hz: int, utterances: Sequence[Utterance], workers: Workers, label: str) -> list[np.ndarray]:
    """The same of all clips, in order."""
    chunks = [utterances[at : at + CHUNK] for at in range(0, len(utterances), CHUNK)]
    return [samples for found in workers.run(partial(read_clips, sample_rate_hz), chunks, label) for samples in found]


def hear_clips(run: Run, clips: Sequence[np.ndarray]) -> list[Heard]:
    """What the client makes of int16 samples. Raises ClientError."""
    with run.client() as client:
        return [client.hear(samples) for samples in clips]


def hear(run: Run, clips: Sequence[np.ndarray], workers: Workers, label: str) -> list[Heard]:
    """All clips, in order."""
    chunks = [clips[at : at + CHUNK] for at in range(0, len(clips), CHUNK)]
    return [heard for found in workers.run(partial(hear_clips, run), chunks, label) for heard in found]


def agreement(heard: Sequence[str], others: Sequence[str]) -> float:
    """Share of the clips of which both say the same; of the first ones, if there are more others."""
    return sum(a.strip() == b.strip() for a, b in zip(heard, others, strict=False)) / max(len(heard), 1)


def error_rates(said: Sequence[str], heard: Sequence[str], count: int = 5) -> dict[str, Any]:
    """WER and CER with 95 % intervals over clips, kinds of errors, and the best, median and worst `count` clips."""
    words, characters = edit_counts(said, heard)
    order = np.lexsort([counts[:, 0] / np.maximum(counts[:, 1], 1) for counts in (characters, words)])  # by words, those alike by characters
    middle = max(0, len(order) // 2 - count // 2)

    def shown(numbers: Any) -> list[dict[str, str]]:
        return [{"said": said[i], "heard": heard[i]} for i in numbers]

    return {
        "clips": len(said), "wer": error_rate(words), "wer_interval": bootstrap(words), "cer": error_rate(characters),
        "cer_interval": bootstrap(characters), **error_kinds(said, heard),
        "best": shown(order[:count]), "median": shown(order[middle : middle + count]), "worst": shown(order[::-1][:count]),
    }
