"""Several GPUs of one host: each computes a part of every batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from trainer.errors import UserError


def names_of(kind: str = "GPU") -> list[str]:
    """The devices of a kind that the backend can use: GPU:0, ..."""
    if keras.backend.backend() == "jax":
        return [one for one in keras.distribution.list_devices() if kind.lower() in one.lower()]
    import tensorflow as tf

    return [f"{kind}:{i}" for i, _ in enumerate(tf.config.list_logical_devices(kind))]


def out_of_memory(error: Exception) -> bool:
    """Whether this is what the backend raises when a device does not have enough memory."""
    if keras.backend.backend() == "jax":
        return "RESOURCE_EXHAUSTED" in str(error)
    import tensorflow as tf

    return isinstance(error, tf.errors.ResourceExhaustedError)


@contextmanager
def shared(count: int, kind: str = "GPU") -> Iterator[Any]:
    """What is built inside is mirrored on `count` devices; yields TensorFlow's strategy, or None
    for one device and for JAX, where Keras splits batches by itself. Raises UserError."""
    if count == 1:
        yield None
        return
    names = names_of(kind)
    if len(names) < count:
        raise UserError(f"GPUS={count}: this machine has {len(names)} {kind} that can be used")
    if keras.backend.backend() == "jax":
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names[:count]))
        try:
            yield None
        finally:
            keras.distribution.set_distribution(before)
        return
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(names[:count])
    with strategy.scope():
        yield strategy


def outputs_of(model: keras.Model, inputs: Any) -> Any:
    """What a model says to a batch, outside of training: on one device, where it is mirrored on
    several (`predict_on_batch` would give the whole batch to each)."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return model.predict_on_batch(inputs)
    import tensorflow as tf

    if not hasattr(model, "_on_one_device"):
        forward = tf.function(lambda given: model(given, training=False), reduce_retracing=True)
        object.__setattr__(model, "_on_one_device", forward)
    tensors = keras.tree.map_structure(tf.constant, inputs)
    return keras.tree.map_structure(np.asarray, model._on_one_device(tensors))


def parts() -> int:
    """Parts of a batch, each of which has a gradient of its own: TensorFlow's devices. JAX sees the
    whole batch."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def step_function(strategy: Any, train_step: Any) -> Any:
    """A training step on equal parts of a batch: arrays -> loss, the mean of the parts."""
    import tensorflow as tf

    def on_all(parts: Any) -> Any:
        losses = strategy.run(lambda batch: train_step(batch)["loss"], (parts,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    compiled = tf.function(on_all)
    count = strategy.num_replicas_in_sync

    def step(batch: Any) -> Any:
        def placed(array: Any) -> Any:
            size = len(array) // count
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(array[context.replica_id_in_sync_group * size :][:size])
            )

        return compiled(keras.tree.map_structure(placed, batch))

    return step
