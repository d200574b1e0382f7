"""Speed of the zoo's networks: training steps a second on the same batch, alone on the machine.

    python -m bench.zoo --library tensorflow --torch /path/to/python

Each library runs in a process of its own. With --torch, a Python that has PyTorch trains its plain
version of Deep Speech 2 and of LAS, of the same geometry, on the same batch.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

CLIPS, FRAMES, BANDS, LABELS, LETTERS = 16, 384, 80, 24, 27
STEPS = 8
GEOMETRY = {
    "deepspeech": {"units": 512},
    "deepspeech2": {"units": 320, "layers": 3},
    "conformer": {"width": 144, "layers": 8},
    "las": {"listener": 256, "speller": 384},
    "tds": {},
}


def ours(name: str) -> float:
    """Steps a second of our loop's training step."""
    import keras
    import numpy as np

    from trainer import models
    from trainer.data.batch import Batch
    from trainer.models.speech.base import network_of

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(1)
    model = getattr(models, name)(
        labels=tuple(map(chr, range(97, 97 + LETTERS))), bands=BANDS, **GEOMETRY[name]
    )
    network = network_of(model)
    network.compile(keras.optimizers.AdamW(1e-3))
    labels = [rng.integers(0, LETTERS, LABELS).astype(np.int32) for _ in range(CLIPS)]
    x = rng.normal(size=(CLIPS, FRAMES, BANDS)).astype(np.float32)
    frames = np.full(CLIPS, FRAMES, np.int32)
    batch = Batch(x, frames, labels, list(range(CLIPS)), LABELS)
    given = model.inputs(batch), model.targets(batch)
    for _ in range(2):
        network.train_on_batch(*given)
    start = time.perf_counter()
    for _ in range(STEPS):
        network.train_on_batch(*given)
    return STEPS / (time.perf_counter() - start)


TORCH = """
import json, sys, time
import torch
from torch import nn

clips, frames, bands, length, letters, steps = map(int, sys.argv[1:])
torch.manual_seed(0)


class DeepSpeech2(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, (11, 41), (2, 2), (5, 20), bias=False), nn.BatchNorm2d(32),
            nn.Hardtanh(0, 20),
            nn.Conv2d(32, 32, (11, 21), (1, 2), (5, 10), bias=False), nn.BatchNorm2d(32),
            nn.Hardtanh(0, 20),
        )
        wide = 32 * (bands // 4)
        self.layers = nn.ModuleList(
            nn.GRU(wide if not i else 320, 320, bidirectional=True, batch_first=True)
            for i in range(3)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(320) for _ in range(3))
        self.out = nn.Linear(320, letters + 1)

    def forward(self, x):
        x = self.convolutions(x[:, None]).permute(0, 2, 3, 1).flatten(2)
        for layer, norm in zip(self.layers, self.norms):
            both = layer(x)[0]
            x = norm(both[..., :320] + both[..., 320:])
        return self.out(x)


class Las(nn.Module):
    def __init__(self):
        super().__init__()
        wide = [2 * bands, 1024, 1024]
        self.listener = nn.ModuleList(
            nn.LSTM(n, 256, bidirectional=True, batch_first=True) for n in wide
        )
        self.embedding = nn.Embedding(letters + 2, 64)
        self.first, self.second = nn.LSTMCell(64 + 512, 384), nn.LSTMCell(768, 384)
        self.query, self.key = nn.Linear(384, 512, False), nn.Linear(512, 512, False)
        self.out = nn.Sequential(nn.Linear(896, 384), nn.Tanh(), nn.Linear(384, letters + 1))

    def forward(self, x, before):
        for layer in self.listener:
            x = layer(x.reshape(x.shape[0], x.shape[1] // 2, -1))[0]
        keys, found = self.key(x), []
        h = c = h2 = c2 = x.new_zeros(x.shape[0], 384)
        context = x.new_zeros(x.shape[0], 512)
        for label in self.embedding(before).unbind(1):
            h, c = self.first(torch.cat([label, context], 1), (h, c))
            h2, c2 = self.second(torch.cat([h, h2], 1), (h2, c2))
            scores = (self.query(h2)[:, None] @ keys.transpose(1, 2)) / 512**0.5
            context = (scores.softmax(-1) @ x)[:, 0]
            found.append(torch.cat([h2, context], 1))
        return self.out(torch.stack(found, 1))


x = torch.randn(clips, frames, bands)
labels = torch.randint(0, letters, (clips, 32))


def speed(model, loss):
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for step in range(steps + 2):
        if step == 2:
            start = time.perf_counter()
        optimizer.zero_grad()
        loss(model).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return steps / (time.perf_counter() - start)


def ctc(model):
    out = model(x).log_softmax(-1).transpose(0, 1)
    sizes = torch.full((clips,), out.shape[0]), torch.full((clips,), length)
    return nn.functional.ctc_loss(out, labels[:, :length], *sizes, blank=letters)


def entropy(model):
    return nn.functional.cross_entropy(model(x, labels).flatten(0, 1), labels.flatten())


print(json.dumps({
    "deepspeech2": speed(DeepSpeech2(), ctc), "las": speed(Las(), entropy),
}))
"""


def of_torch(python: Path) -> dict[str, float]:
    """Steps a second of PyTorch's plain versions."""
    sizes = map(str, (CLIPS, FRAMES, BANDS, LABELS, LETTERS, STEPS))
    done = subprocess.run(
        [str(python), "-c", TORCH, *sizes], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def alone(name: str, library: str) -> float:
    """Steps a second of a network, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.zoo", "--only", name],
        capture_output=True, text=True, check=True, env=os.environ | {"KERAS_BACKEND": library},
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def rows(row: Callable[[str, float, float | None, float | None, str], None]) -> None:
    """Rows of the table: on TensorFlow, and on JAX instead of the plain way."""
    for name in GEOMETRY:
        speeds = alone(name, "tensorflow"), alone(name, "jax")
        row(f"zoo, {name}: TensorFlow, then JAX", *speeds, None, "steps/s")


@click.command()
@click.option("--library", "libraries", multiple=True, default=("tensorflow", "jax"))
@click.option("--torch", type=click.Path(path_type=Path, exists=True), help="Has PyTorch.")
@click.option("--only", help="One network, here, and its speed alone.")
def main(libraries: tuple[str, ...], torch: Path | None, only: str | None) -> None:
    """Print one line a network."""
    if only:
        click.echo(ours(only))
        return
    others = of_torch(torch) if torch else {}
    for name in GEOMETRY:
        found = {library: alone(name, library) for library in libraries}
        if name in others:
            found["PyTorch"] = others[name]
        speeds = ", ".join(f"{library} {speed:.2f}" for library, speed in found.items())
        click.echo(f"{name}: steps a second: {speeds}")


if __name__ == "__main__":
    main()
