"""Loss, texts and metrics of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainer.data.loader import AudioLoader
from trainer.experiment.callbacks import Context
from trainer.log import log
from trainer.metrics.recognition import Metric
from trainer.models.speech.base import GREEDY, Decoding, Network, SpeechModel
from trainer.training import callbacks as shared
from trainer.training import devices
from trainer.training.callbacks import Round


@dataclass(frozen=True)
class Recognised:
    """Of all clips of a data set, in its order."""

    losses: np.ndarray
    references: list[str]
    hypotheses: list[str]


def recognise(
    model: SpeechModel,
    network: Network,
    loader: AudioLoader,
    decoding: Decoding = GREEDY,
    keras_metrics: Sequence[keras.metrics.Metric] = (),
) -> Recognised:
    """Each clip once, as it is."""
    count = len(loader.dataset)
    losses, hypotheses = np.zeros(count), [""] * count
    for numbers in loader.all():
        batch = loader.of(numbers)
        outputs = devices.outputs_of(network, model.inputs(batch))
        targets = model.targets(batch)
        losses[numbers] = np.asarray(model.evaluation_loss(targets, outputs))
        for metric in keras_metrics:
            metric.update_state(targets, outputs)
        texts = model.transcripts(network, batch, outputs, decoding)
        for number, text in zip(numbers, texts, strict=True):
            hypotheses[number] = text
    return Recognised(losses, loader.dataset.texts, hypotheses)


class Validation(shared.Callback):
    """val_loss and val_<metric> after each round, and the texts for other callbacks."""

    def __init__(
        self, loader: AudioLoader | None, metrics: Sequence[Any], context: Context
    ) -> None:
        self.loader, self.metrics, self.context = loader, metrics, context

    def on_round_end(self, current: Round) -> None:
        if self.loader is None:
            return
        of_keras = [one for one in self.metrics if isinstance(one, keras.metrics.Metric)]
        for metric in of_keras:
            metric.reset_state()
        found = recognise(
            self.context.model, self.context.network, self.loader, keras_metrics=of_keras
        )
        self.context.texts = list(zip(found.references, found.hypotheses, strict=True))
        current.figures["val_loss"] = float(found.losses.mean())
        for metric in self.metrics:
            if isinstance(metric, Metric):
                name, value = metric.name, float(metric(found.references, found.hypotheses))
            else:
                name, value = metric.name, float(np.asarray(metric.result()))
            if np.isfinite(value):
                current.figures[f"val_{name or type(metric).__name__}"] = value
            else:
                log.warning(
                    "metric %s is %s after step %d: left out of this round's figures",
                    name or type(metric).__name__, value, current.step,
                )  # fmt: skip
