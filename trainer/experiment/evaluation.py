"""How well a run recognises a set of clips: rates with intervals, by speaker and length; and
whether two runs differ."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.dataset import AudioDataset
from trainer.data.loader import AudioLoader
from trainer.errors import UserError
from trainer.experiment.folders import read_json
from trainer.experiment.trainer import Trainer
from trainer.experiment.validation import recognise
from trainer.metrics.bootstrap import bootstrap, paired
from trainer.metrics.error_rate import edit_counts, error_rate
from trainer.models.speech.base import Decoding, Network
from trainer.steps import write_record

FOLDER = "evaluations"
LENGTHS = (2.0, 4.0, 8.0, 16.0, np.inf)  # seconds: limits of the groups


@dataclass(frozen=True)
class Evaluation:
    """Texts of the clips of one set, and their counts: (clips, 2), errors and length."""

    name: str
    paths: list[str]
    speakers: list[str]
    seconds: list[float]
    references: list[str]
    hypotheses: list[str]
    words: np.ndarray
    characters: np.ndarray

    @property
    def wer(self) -> float:
        """Of all words together."""
        return error_rate(self.words)

    def figures(self) -> dict[str, Any]:
        """Corpus rates with 95 % intervals, means over clips, by speaker and by length."""
        each = self.words[:, 0] / np.maximum(self.words[:, 1], 1)
        return {
            "clips": len(self.paths),
            "words": int(self.words[:, 1].sum()),
            "wer": self.wer,
            "wer_interval": bootstrap(self.words),
            "cer": error_rate(self.characters),
            "cer_interval": bootstrap(self.characters),
            "mean_wer": float(each.mean()),
            "exact": float((each == 0).mean()),
            "by_speaker": self._by(self.speakers),
            "by_length": self._by([_length(seconds) for seconds in self.seconds]),
        }

    def _by(self, groups: Sequence[str]) -> dict[str, dict[str, float]]:
        names, found = np.array(groups), {}
        for group in sorted(set(groups)):
            some = self.words[names == group]
            found[group or "unknown"] = {"clips": len(some), "wer": error_rate(some)}
        return found


def _length(seconds: float) -> str:
    low = 0.0
    for high in LENGTHS:
        if seconds < high:
            break
        low = high
    return f"{low:02.0f} to {high:02.0f} s" if np.isfinite(high) else f"over {low:.0f} s"


def evaluate(
    trainer: Trainer, network: Network, loader: AudioLoader, name: str, decoding: Decoding
) -> Evaluation:
    """Recognise all clips of a data set."""
    found = recognise(trainer.model, network, loader, decoding)
    words, characters = edit_counts(found.references, found.hypotheses)
    rows, seconds = loader.dataset.rows, loader.dataset.seconds_of_clips
    return Evaluation(
        name,
        [row.wav_filename for row in rows],
        [row.speaker for row in rows],
        [round(float(one), 3) for one in seconds],
        found.references,
        found.hypotheses,
        words,
        characters,
    )


def dataset_for(trainer: Trainer, path: Path, split: str = "") -> AudioDataset:
    """A table of clips with the processor and labels of a run. Its clips are used whatever their
    length, up to a minute."""
    of = (trainer.validation or trainer.data).dataset
    labels = tuple(trainer.model.labels)
    return AudioDataset(path, of.processor, split, labels, (of.seconds[0], 60.0), of.lowercase)


def write(run: Path, found: Evaluation) -> Path:
    """evaluations/<name>.json in the run's folder."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    plain = asdict(found) | {
        "words": found.words.astype(int).tolist(),
        "characters": found.characters.astype(int).tolist(),
        "figures": found.figures(),
    }
    path = folder / f"{found.name}.json"
    write_record(path, plain)
    return path


def read(path: Path) -> Evaluation:
    """What `write` wrote. Raises UserError."""
    data = read_json(path)
    try:
        data.pop("figures")
        for name in ("words", "characters"):
            data[name] = np.array(data[name], float)
        return Evaluation(**data)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}): evaluate the run again") from error


def of_run(run: Path) -> dict[str, Evaluation]:
    """All evaluations of a run, by name."""
    return {path.stem: read(path) for path in sorted((run / FOLDER).glob("*.json"))}


def figures_of(run: Path) -> dict[str, dict[str, Any]]:
    """Figures of all evaluations of a run, by name, as they were written. Raises UserError."""
    return {p.stem: read_json(p)["figures"] for p in sorted((run / FOLDER).glob("*.json"))}


@dataclass(frozen=True)
class Difference:
    """Word error rate of one run less that of another on the same clips."""

    clips: int
    difference: float
    low: float
    high: float
    p_value: float


def difference(one: Evaluation, other: Evaluation) -> Difference | None:
    """By paired bootstrap on the clips that both have; None without any."""
    places = {path: i for i, path in enumerate(other.paths)}
    pairs = [(i, places[path]) for i, path in enumerate(one.paths) if path in places]
    same = [(i, j) for i, j in pairs if one.references[i] == other.references[j]]
    if not same:
        return None
    mine, theirs = (list(side) for side in zip(*same, strict=True))
    return Difference(len(same), *paired(one.words[mine], other.words[theirs]))
