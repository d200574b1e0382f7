"""Speaker embeddings: which voices are alike.

The encoder is GE2E (Wan et al. 2018) as Resemblyzer publishes it (Apache-2.0): three LSTM layers
over 1.6 s of mel energies, 40 channels.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, rms
from trainer.errors import UserError

CHANNELS, WINDOW, STEP = 40, 400, 160  # 25 ms every 10 ms
FRAMES, HOP_FRAMES = 160, 40  # of one embedding; longer clips are the mean of several
LEVEL_DB = -30
LAYERS = 3


@dataclass(frozen=True)
class Encoder:
    """The weights by their name in the published file."""

    weights: dict[str, np.ndarray]

    def embed(self, clips: Sequence[Audio]) -> np.ndarray:
        """(clips, 256): of unit length. Clips at 16 kHz; those below 1.6 s are padded."""
        windows = [_windows(_mel(clip)) for clip in clips]
        found = self._last_outputs(np.concatenate(windows))
        found = found @ self.weights["linear.weight"].T + self.weights["linear.bias"]
        found = _unit(np.maximum(found, 0))
        parts = np.split(found, np.cumsum([len(one) for one in windows])[:-1])
        return _unit(np.stack([part.mean(0) for part in parts]))

    def _last_outputs(self, x: np.ndarray) -> np.ndarray:
        """(batch, frames, channels) -> outputs of the last layer at the last frame."""
        for layer in range(LAYERS):
            inputs, past = (self.weights[f"lstm.weight_{kind}_l{layer}"].T for kind in ("ih", "hh"))
            bias = sum(self.weights[f"lstm.bias_{kind}_l{layer}"] for kind in ("ih", "hh"))
            given = x @ inputs + bias
            out = np.zeros((*x.shape[:2], len(past)), np.float32)
            hidden, cell = np.zeros_like(out[:, 0]), np.zeros_like(out[:, 0])
            for frame in range(x.shape[1]):
                gates = given[:, frame] + hidden @ past
                enter, forget, value, leave = np.split(gates, 4, axis=1)
                cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(value)
                hidden = out[:, frame] = _sigmoid(leave) * np.tanh(cell)
            x = out
        return x[:, -1]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray((1 + np.tanh(x / 2)) / 2)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _mel(clip: Audio) -> np.ndarray:
    """(frames, 40): mel energies at one level, as librosa has them (Slaney's scale)."""
    level = np.float32(10 ** (LEVEL_DB / 20) / (rms(clip) + 1e-9))
    padded = np.pad(clip * level, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    hann = np.hanning(WINDOW + 1)[:WINDOW]
    return np.asarray((np.abs(np.fft.rfft(frames * hann)) ** 2) @ _filters().T, np.float32)


@cache
def _filters() -> np.ndarray:
    """(40, bins): triangles of equal area."""
    step, knee = 200 / 3, 1000.0  # linear below 1 kHz, logarithmic above
    growth = np.log(6.4) / 27

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        linear = knee / step
        return np.where(mel >= linear, knee * np.exp(growth * (mel - linear)), mel * step)

    highest = knee / step + np.log(SAMPLE_RATE_HZ / 2 / knee) / growth
    edges = to_hertz(np.linspace(0, highest, CHANNELS + 2))
    hertz = np.linspace(0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1)
    away = edges[:, None] - hertz
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-away[:-2] / widths[:-1], away[2:] / widths[1:]))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


def _windows(mel: np.ndarray) -> np.ndarray:
    """(n, 160, 40): windows of 1.6 s, 0.4 s apart."""
    if len(mel) < FRAMES:
        mel = np.pad(mel, ((0, FRAMES - len(mel)), (0, 0)))
    starts = range(0, len(mel) - FRAMES + 1, HOP_FRAMES)
    return np.stack([mel[start : start + FRAMES] for start in starts])


# --- weights


def read_weights(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a file of Torch before 1.6 (pickles, then the storages), without Torch and
    without running what is in it. Raises UserError."""
    file = io.BytesIO(data)
    try:
        _, _, _, saved, order = (_Reader(file).load() for _ in range(5))
        storages = {}
        for key in order:
            count = int.from_bytes(file.read(8), "little")
            storages[key] = np.frombuffer(file.read(4 * count), np.float32)
        tensors = {k: v for k, v in saved["model_state"].items() if isinstance(v, tuple)}
        return {
            name: np.lib.stride_tricks.as_strided(
                storages[key][offset:], shape, [4 * step for step in strides]
            ).copy()
            for name, (key, offset, shape, strides) in tensors.items()
        }
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"the speaker encoder's weights cannot be read ({error})") from error


class _Reader(pickle.Unpickler):
    """Knows tensors of 32-bit floats and dictionaries; anything else is an error."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"_rebuild_tensor_v2": _tensor, "OrderedDict": OrderedDict, "FloatStorage": name}
        if name not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not a tensor")
        return known[name]

    def persistent_load(self, identifier: Any) -> str:
        return str(identifier[2])  # ("storage", type, key, device, count, view)


def _tensor(key: str, offset: int, shape: Any, strides: Any, *_: Any) -> tuple[Any, ...]:
    return key, offset, shape, strides
