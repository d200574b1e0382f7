"""Training on several devices, and on the other backend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.code_engine import learning
from trainer.code_engine.settings import CodeEngineSettings
from trainer.errors import UserError

SCRIPT = """
import os, sys, tempfile
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, parts)
from pathlib import Path
import keras, numpy as np
from trainer.code_engine.learning import cross_entropy
from trainer.models import transformer
from trainer.training import devices
from trainer.training.loop import Loop
from trainer.training.optimizers import averaged_adamw

def batch(step):
    rng = np.random.default_rng(step)
    x, y = (rng.integers(2, 40, (8, n)).astype(np.int32) for n in (7, 5))
    x[:, -1] = y[:, -1] = 0
    return (x, y), y

for count in (1, 2):
    with devices.shared(count, "CPU") as strategy:
        keras.utils.set_random_seed(1)
        model = transformer.build(transformer.Spec(40, 1, 1, 16, 32, 4, 0.0))
        optimizer = averaged_adamw(1e-2, 10, 0.0)
        with tempfile.TemporaryDirectory() as folder:
            loop = Loop(
                model, batch, 10, 5, Path(folder), [], optimizer, cross_entropy(0.0),
                jit_compile=False, strategy=strategy,
            )
            loop.run()
    print(sum(float(np.abs(w).sum()) for w in transformer.weights_of(model).values()))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one_does(backend):
    given = {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path.cwd())}
    given["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | given,
    )
    one, two = (float(line) for line in done.stdout.split()[-2:])
    assert one == pytest.approx(two, rel=1e-5)


def test_more_gpus_than_there_are(tmp_path):
    with pytest.raises(UserError, match="shared by 1, 2, 4 or 8"):
        learning.train(CodeEngineSettings(gpus=3), None, tmp_path, tmp_path)
    with pytest.raises(UserError, match="this machine has 0 GPU"), learning.devices.shared(2):
        pass
