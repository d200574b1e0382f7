"""openWakeWord's released models: their ONNX files out of their wheel, run here.

Mel energies (`melspectrogram.onnx`) of 16-bit samples; Google's speech embedding of 76 frames every
8 frames; a head for each phrase over the last 16 embeddings: a score every 80 ms, threshold 0.5
(its documentation). Code Apache-2.0, models CC BY-NC-SA 4.0: for comparison only.
"""

import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import Audio
from trainer.downloads import fetch_wheels

LOCK = Path(__file__).with_name("openwakeword.lock")
SHARED = ("melspectrogram.onnx", "embedding_model.onnx")
STRIDE = 8  # frames of 10 ms from one score to the next
FRAMES, EMBEDDINGS = 76, 16
CUTOFF = 0.5


def fetch(folder: Path) -> Path:
    """Its models in `folder`/openwakeword, fetched where they are missing. Raises UserError."""
    target = folder / "openwakeword"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (wheel,) = fetch_wheels(LOCK, folder)
        partial = folder / "openwakeword.part"
        partial.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".onnx"):
                    (partial / Path(name).name).write_bytes(archive.read(name))
        partial.rename(target)
    return target


class OpenWakeWord:
    """A detector of `trainer.wakeword.evaluation`."""

    def __init__(self, folder: str, head: str) -> None:
        self.folder, self.head = Path(folder), head

    @property
    def size(self) -> int:
        """Bytes of the three files."""
        return sum((self.folder / name).stat().st_size for name in (*SHARED, self.head))

    @cached_property
    def _sessions(self) -> list[Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return [
            onnxruntime.InferenceSession(
                str(self.folder / name), options, providers=["CPUExecutionProvider"]
            )
            for name in (*SHARED, self.head)
        ]

    def _run(self, number: int, given: np.ndarray) -> np.ndarray:
        session = self._sessions[number]
        return np.asarray(session.run(None, {session.get_inputs()[0].name: given})[0])

    def __call__(self, blocks: Iterable[Audio]) -> np.ndarray:
        """Scores times 256; the value of window k is at the end of its 80 ms."""
        mels = [np.zeros((0, 32), np.float32)]
        past = np.zeros(0, np.float32)
        for block in blocks:
            samples = np.concatenate([past, block * np.float32(32767)])
            found = self._run(0, samples[None]).reshape(-1, 32) if len(samples) >= 512 else mels[0]
            mels.append(found / 10 + 2)
            past = samples[160 * len(found) :]
        mel = np.concatenate(mels)
        starts = range(0, len(mel) - FRAMES + 1, STRIDE)
        embedded = [
            self._run(1, np.stack([mel[s : s + FRAMES] for s in part])[..., None]).reshape(-1, 96)
            for part in (starts[i : i + 256] for i in range(0, len(starts), 256))
        ]
        vectors = np.concatenate(embedded) if embedded else np.zeros((0, 96), np.float32)
        windows = range(EMBEDDINGS, len(vectors) + 1)
        scores = [
            float(self._run(2, vectors[None, end - EMBEDDINGS : end]).ravel()[0]) for end in windows
        ]
        # embedding i ends at frame 8 i + 76, so the first score is the 25th value
        before = EMBEDDINGS - 1 + round(FRAMES / STRIDE)
        return np.concatenate([np.zeros(before), scores]).astype(np.float32) * 256
