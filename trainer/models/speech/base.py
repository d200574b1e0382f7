"""What the trainer asks of a speech model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from trainer.data.batch import Batch
from trainer.errors import UserError
from trainer.models.recurrent import Tensor
from trainer.text.alphabet import Alphabet
from trainer.training.ctc import finite_gradient
from trainer.training.devices import parts


@dataclass(frozen=True)
class Decoding:
    """How outputs become text. `beam`: hypotheses that are followed; 1 is greedy. `scorer`: a
    .scorer file for CTC models. Of attention models: `length_bonus`, power of the length by which
    scores are divided; `ctc`, weight of CTC prefix scores (joint decoding)."""

    beam: int = 1
    scorer: Path | None = None
    length_bonus: float = 0.7
    ctc: float = 0.5

    @property
    def name(self) -> str:
        """What a set that is decoded so is named by, after its own name; empty for greedy."""
        beam = f"-beam{self.beam}" if self.beam > 1 else ""
        return f"{beam}-scorer" if self.scorer else beam


GREEDY = Decoding()


class SpeechModel:
    """Base of the zoo: features of clips -> text. Subclasses are serializable classes with at
    least these two fields, and `network`."""

    __serializable_base__: ClassVar[bool] = True

    labels: tuple[str, ...]
    bands: int

    @property
    def alphabet(self) -> Alphabet:
        """The labels, to encode and decode texts."""
        return Alphabet(tuple(self.labels))

    def network(self) -> keras.Model:
        """A new network, with the outputs that `loss` and `transcripts` take."""
        raise NotImplementedError

    def inputs(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """What the network takes."""
        return batch.features, batch.frames

    def targets(self, batch: Batch) -> Any:
        """What `loss` takes."""
        raise NotImplementedError

    def loss(self, targets: Any, outputs: Any) -> Tensor:
        """Loss of each clip, (clips,)."""
        raise NotImplementedError

    def evaluation_loss(self, targets: Any, outputs: Any) -> Tensor:
        """Loss of each clip outside of training."""
        return self.loss(targets, outputs)

    def transcripts(
        self, network: keras.Model, batch: Batch, outputs: Any, decoding: Decoding = GREEDY
    ) -> list[str]:
        """Texts of the clips. `outputs`: of the network for the batch."""
        raise NotImplementedError

    @property
    def aligns(self) -> bool:
        """Whether the network has outputs of CTC."""
        return False

    def log_probabilities(self, batch: Batch, outputs: Any) -> list[np.ndarray]:
        """The outputs of CTC: (frames, labels and blank) of each clip, of networks that align."""
        raise NotImplementedError

    @property
    def views(self) -> int:
        """How often each clip is in a training batch, augmented in different ways."""
        return 1

    def fewest_frames(self, labels: np.ndarray) -> int:
        """Frames that a clip with these labels must have."""
        return 1

    def learns(self, frames: int, labels: np.ndarray) -> bool:
        """Whether a clip of so many frames can teach these labels."""
        return True

    def given(self) -> tuple[Tensor, Tensor]:
        """Inputs of a network: features (clips, frames, bands), frames (clips,)."""
        features = keras.Input((None, self.bands), name="features")
        return features, keras.Input((), dtype="int32", name="frames")


class Network(keras.Model):
    """A network that is trained by the loss of its model, whatever its outputs are."""

    model: SpeechModel

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Mean of the clips' losses, weighted; finite, and without a gradient from clips whose
        loss is not."""
        each = self.model.loss(y, keras.tree.map_structure(finite_gradient, y_pred))
        if len(each.shape) != 1:
            raise UserError(
                f"{type(self.model).__name__}.loss returns {tuple(each.shape)} instead of one "
                "number a clip, (clips,)"
            )
        each = ops.where(ops.isfinite(each), each, 0.0)
        mean = ops.mean(each if sample_weight is None else each * sample_weight)
        return mean / parts()  # as Keras' own losses: the devices' gradients are added


def network_of(model: SpeechModel) -> Network:
    """The network of a model, ready for training. Raises UserError."""
    plain = model.network()
    if len(plain.inputs) < 2:
        raise UserError(f"{type(model).__name__}.network takes only {len(plain.inputs)} input(s)")
    network = Network(plain.inputs, plain.outputs if len(plain.outputs) > 1 else plain.outputs[0])
    object.__setattr__(network, "model", model)  # not one of its layers
    object.__setattr__(network, "parts", getattr(plain, "parts", None))
    return network


class Used(keras.layers.Layer):
    """(clips,), (clips, time, ...) -> (clips, time, 1): 1 up to the end of each clip, then 0."""

    def call(self, frames: Tensor, like: Tensor) -> Tensor:
        places = ops.arange(ops.shape(like)[1])[None, :, None]
        return ops.cast(places < ops.cast(frames, "int32")[:, None, None], like.dtype)

    def compute_output_shape(self, frames_shape: Any, like_shape: Any) -> tuple[Any, ...]:
        """(clips, time, 1)."""
        return (*like_shape[:2], 1)


def halved(frames: Any, times: int = 1) -> Any:
    """Frames after `times` steps of two that keep the last, partial one."""
    for _ in range(times):
        frames = (frames + 1) // 2
    return frames
