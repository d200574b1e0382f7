"""A trainer on several devices, and with 16-bit arithmetic."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
parts = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, parts)
from pathlib import Path
import numpy as np
from trainer import Optimizer, Trainer, data, models
from trainer.training import devices

found = devices.names_of
devices.names_of = lambda kind: found("CPU")
processor = data.AudioProcessor("log_mel_20", augment=(data.SpecAugment(),))
train = data.AudioDataset("clips.csv", processor, "train")
model = models.conformer(
    train.labels, 20, width=8, layers=1, heads=2, channels=2, dropout=0.0, consistency=1.0
)
for given in ({"gpus": 1}, {"gpus": 2}, {"mixed_precision": True}):
    trainer = Trainer(
        model, data.AudioLoader(train, batch_size=4), epochs=3,
        optimizer=Optimizer("sgd", 0.003, "constant", average=False, clip=0), **given,
    )
    folder = Path(str(given.popitem()))
    folder.mkdir()
    network = trainer.train(folder, 3)
    print(sum(float(np.abs(np.asarray(w)).sum()) for w in network.trainable_weights))
"""


def test_two_devices_train_as_one_does(loaders, tmp_path):
    """Both views of a clip are on one device. (On JAX each sees the whole batch.)"""
    given = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | given, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two, bfloat16 = (float(line) for line in done.stdout.split()[-3:])
    assert one == pytest.approx(two, rel=1e-6)
    assert one == pytest.approx(bfloat16, rel=1e-2)
    assert one != bfloat16
