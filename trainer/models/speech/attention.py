"""Models that write label by label with attention: targets, loss, beam search.

Labels are followed by one index for the end and one for the start of a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import log_softmax

from trainer.data.batch import Batch
from trainer.models.recurrent import Tensor
from trainer.models.speech.base import GREEDY, Decoding, SpeechModel
from trainer.models.speech.prefixes import NEVER, Prefixes
from trainer.training import ctc
from trainer.training.devices import outputs_of

STEPS_MULTIPLE = 32  # prefixes are padded to it: few sizes
CANDIDATES = 40  # labels that attention finds likely, of which CTC's scores are computed
MOST_LABELS = 0.5  # labels a frame of input, at most, in what is decoded


@dataclass(frozen=True)
class Parts:
    """What decoding uses: `encoder` (features, frames) -> (memory, used); `decoder` (memory, used,
    labels so far) -> logits of the next label after each."""

    encoder: keras.Model
    decoder: keras.Model


class AttentionModel(SpeechModel):
    """Base: logits (clips, labels, classes) of each next label, given those before it, and logits
    of CTC for each frame of the encoder.

    `ctc_weight`: share of CTC's loss in training (Kim et al. 2017), by which the encoder learns
    from few hours of speech; 0: none.
    """

    label_smoothing: float = 0.1
    ctc_weight: float = 0.3

    @property
    def aligns(self) -> bool:
        return self.ctc_weight > 0

    def log_probabilities(self, batch: Batch, outputs: Any) -> list[np.ndarray]:
        found = log_softmax(np.asarray(outputs[1], np.float32), axis=-1)
        frames = self.memory_frames(batch.frames)
        return [row[:count] for row, count in zip(found, frames, strict=True)]

    def memory_frames(self, frames: Any) -> Any:
        """Frames of the encoder's output for frames of input."""
        raise NotImplementedError

    @property
    def end(self) -> int:
        """Index of the end of a text."""
        return len(self.labels)

    @property
    def start(self) -> int:
        """Index before the first label."""
        return len(self.labels) + 1

    @property
    def classes(self) -> int:
        """Outputs: the labels and the end."""
        return len(self.labels) + 1

    def joined(self, encoder: keras.Model, decoder: keras.Model) -> keras.Model:
        """The network for training, of the parts."""
        features, frames = self.given()
        before = keras.Input((None,), dtype="int32", name="labels")
        memory, mask = encoder([features, frames])
        aligned = keras.layers.Dense(len(self.labels) + 1, dtype="float32", name="ctc_logits")
        outputs = [decoder([memory, mask, before]), aligned(memory)]
        network = keras.Model([features, frames, before], outputs)
        object.__setattr__(network, "parts", Parts(encoder, decoder))
        return network

    def inputs(self, batch: Batch) -> tuple[np.ndarray, ...]:
        before = np.full(_shape(batch), self.start, np.int32)
        for row, text in enumerate(batch.labels):
            before[row, 1 : len(text) + 1] = text
        return batch.features, batch.frames, before

    def targets(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(clips, steps): labels and the end, then -1; and the targets of CTC."""
        wanted = np.full(_shape(batch), -1, np.int32)
        for row, text in enumerate(batch.labels):
            wanted[row, : len(text)] = text
            wanted[row, len(text)] = self.end
        frames = self.memory_frames(batch.frames)
        return wanted, ctc.targets(frames, batch.labels, batch.numbers, batch.longest)

    def loss(self, targets: Any, outputs: Any) -> Tensor:
        share = self.ctc_weight
        written = self.evaluation_loss(targets, outputs)
        return (1 - share) * written + share * ctc.ctc(targets[1], outputs[1])

    def evaluation_loss(self, targets: Any, outputs: Any) -> Tensor:
        """Cross-entropy of all labels of a clip (Szegedy et al. 2016: smoothed)."""
        targets, outputs = targets[0], outputs[0]
        targets, given = ops.cast(targets, "int32"), ops.cast(targets >= 0, "float32")
        logits = ops.log_softmax(ops.cast(outputs, "float32"))
        wanted = ops.one_hot(ops.maximum(targets, 0), self.classes)
        right = ops.sum(wanted * logits, -1)
        smooth = self.label_smoothing
        return -ops.sum(((1 - smooth) * right + smooth * ops.mean(logits, -1)) * given, 1)

    def transcripts(
        self, network: keras.Model, batch: Batch, outputs: Any, decoding: Decoding = GREEDY
    ) -> list[str]:
        parts: Parts = network.parts
        memory, mask = (
            np.asarray(x) for x in outputs_of(parts.encoder, [batch.features, batch.frames])
        )
        most = np.maximum(4, (batch.frames * MOST_LABELS).astype(int))
        share = decoding.ctc if self.aligns else 0.0
        aligned = self.log_probabilities(batch, outputs) if share else None
        rows = [np.arange(len(batch))] if decoding.beam == 1 else np.arange(len(batch))[:, None]
        found: list[list[int]] = []
        for some in rows:
            copies = np.repeat(some, decoding.beam)
            search = Search(self, parts.decoder, memory[copies], mask[copies], share)
            if aligned is not None:
                search.prefixes = Prefixes([aligned[row] for row in copies])
            if decoding.beam == 1:
                found += search.greedy(most)
            else:
                found.append(search.beam(int(most[some[0]]), decoding))
        return [self.alphabet.decode(labels) for labels in found]


@dataclass
class Search:
    """Labels one after the other, in rows of a batch. `share`: weight of CTC's scores."""

    model: AttentionModel
    decoder: keras.Model
    memory: np.ndarray
    mask: np.ndarray
    share: float
    prefixes: Prefixes | None = None

    def greedy(self, most: np.ndarray) -> list[list[int]]:
        """The best label at each place, of at most so many in each row."""
        end = self.model.end
        found: list[list[int]] = [[] for _ in most]
        open_ = np.ones(len(most), bool)
        for step in range(int(most.max())):
            best = self._next(found, step).argmax(-1)
            for row in np.flatnonzero(open_):
                if best[row] == end or step >= most[row]:
                    open_[row] = False
                else:
                    found[row].append(int(best[row]))
            if not open_.any():
                break
            self._take(range(len(most)), np.minimum(best, end - 1))
        return found

    def beam(self, most: int, decoding: Decoding) -> list[int]:
        """The best finished text by score / length ** length_bonus (Wu et al. 2016); each row has a
        hypothesis."""
        width, power, end = decoding.beam, decoding.length_bonus, self.model.end
        beam: list[tuple[float, list[int]]] = [(0.0, [])]
        finished: list[tuple[float, list[int]]] = []
        for step in range(most):
            prefixes = [labels for _, labels in beam]
            rows = prefixes + [[0] * step] * (width - len(beam))  # the batch keeps its size
            scores = self._next(rows, step)[: len(beam)]
            total = np.array([score for score, _ in beam])[:, None] + scores
            after: list[tuple[float, list[int]]] = []
            taken: list[int] = []
            for place in np.argsort(-total, axis=None)[: 2 * width]:
                row, label = divmod(int(place), self.model.classes)
                score = float(total[row, label])
                if label == end:
                    finished.append((score / (step + 1) ** power, prefixes[row]))
                elif len(after) < width:
                    after.append((score, [*prefixes[row], label]))
                    taken.append(row)
            beam = after
            best = max((score for score, _ in finished), default=-np.inf)
            if not beam or beam[0][0] / most**power < best:
                break
            filler = [0] * (width - len(beam))
            self._take([*taken, *filler], np.array([text[-1] for _, text in beam] + filler))
        finished += [(score / max(len(text), 1) ** power, text) for score, text in beam]
        return max(finished)[1]

    def _next(self, prefixes: Sequence[list[int]], step: int) -> np.ndarray:
        """Scores (rows, classes) of what follows prefixes of up to `step` labels."""
        before = np.full((len(prefixes), _padded(step + 1)), self.model.start, np.int32)
        for row, labels in enumerate(prefixes):
            before[row, 1 : len(labels) + 1] = labels
        logits = outputs_of(self.decoder, [self.memory, self.mask, before])
        found = np.asarray(log_softmax(np.asarray(logits, np.float64)[:, step], axis=-1))
        if self.prefixes is None:
            return found
        likely = np.argsort(-found[:, : self.model.end], 1)[:, :CANDIDATES]
        aligned = np.full(found.shape, NEVER)
        scores = self.prefixes.next(likely)
        np.put_along_axis(aligned, likely, scores[:, :-1], 1)
        aligned[:, self.model.end] = scores[:, -1]
        return (1 - self.share) * found + self.share * aligned

    def _take(self, rows: Sequence[int], labels: np.ndarray) -> None:
        if self.prefixes is not None:
            self.prefixes.take(rows, labels)


def embedded(before: Tensor, classes: int, width: int) -> Tensor:
    """Labels so far as vectors. (A product, whose gradient is dense: the sparse one of an embedding
    makes Adam's moments differ between TensorFlow and JAX.)"""
    one_hot = ops.one_hot(before, classes)
    return keras.layers.Dense(width, use_bias=False, name="embedding")(one_hot)


class SoftWindow(keras.layers.Layer):
    """What is added to the scores of attention: labels so far (b, steps), used (b, t, 1) ->
    (b, steps, t). While `open` is 0, in training, a Gaussian about the diagonal of each text, of
    `deviation` frames (Hannun et al. 2019): without it, attention finds no alignment in a few hours
    of speech. Else zeros. `start`: the index that begins and pads texts."""

    def __init__(self, deviation: float, start: int, name: str) -> None:
        super().__init__(name=name)
        self.deviation, self.start = deviation, start

    def build(self, before_shape: Any, used_shape: Any) -> None:
        self.open = self.add_weight((), "zeros", trainable=False, name="open")

    def call(self, before: Tensor, used: Tensor, training: bool = False) -> Tensor:
        steps = ops.shape(before)[1]
        frames = ops.transpose(used, (0, 2, 1))  # (b, 1, t)
        if not (training and self.deviation):
            return ops.zeros_like(frames) * ops.ones((1, steps, 1), frames.dtype)
        kind = frames.dtype
        labels = ops.sum(ops.cast(before != self.start, kind), 1) + 1  # and the end
        places = (ops.cast(ops.arange(steps), kind)[None] + 0.5) / labels[:, None]
        centre = (ops.minimum(places, 1.0) * ops.sum(frames, -1))[..., None]
        time = ops.cast(ops.arange(ops.shape(frames)[2]), kind)
        far = (time[None, None] - centre) / self.deviation
        return -0.5 * far * far * (1 - ops.cast(self.open, kind))

    def compute_output_shape(self, before_shape: Any, used_shape: Any) -> tuple[Any, ...]:
        """For each label and frame."""
        return (*before_shape[:2], used_shape[1])


def _padded(steps: int) -> int:
    return -(-steps // STEPS_MULTIPLE) * STEPS_MULTIPLE


def _shape(batch: Batch) -> tuple[int, int]:
    longest = max(map(len, batch.labels))
    return len(batch), _padded(longest + 1)


def attended(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, bias: Tensor | float = 0.0
) -> Tensor:
    """Dot-product attention (Luong et al. 2015): (b, steps, n), (b, t, n), (b, t, m), mask
    (b, t, 1) -> (b, steps, m). `bias`: added to the scores (b, steps, t)."""
    scores = ops.matmul(query, ops.transpose(keys, (0, 2, 1))) / np.sqrt(keys.shape[-1])
    scores = scores + bias + (1 - ops.transpose(mask, (0, 2, 1))) * -1e9
    return ops.matmul(ops.softmax(scores), values)
