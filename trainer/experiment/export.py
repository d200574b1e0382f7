"""A run's network for sherpa-onnx, proved there on the clips of its validation set."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.data.batch import Batch
from trainer.data.dataset import AudioDataset
from trainer.data.loader import roomy
from trainer.data.processor import stacked
from trainer.errors import UserError
from trainer.experiment.trainer import Trainer
from trainer.log import log, progress
from trainer.models.speech import conformer_onnx, conformer_streaming
from trainer.models.speech.base import Network
from trainer.models.speech.conformer import Conformer
from trainer.models.speech.conformer_onnx import FEATURES, MODEL, TOKENS
from trainer.steps import write_record

FIGURES, CARD = "sherpa.json", "README.md"
MOST_CLIPS = 500
LOWEST_AGREEMENT = 0.99


def export(trainer: Trainer, network: Network, out: Path, name: str) -> dict[str, Any]:
    """model.onnx, tokens.txt, README.md and sherpa.json in `out`; returns the figures.

    Raises UserError for networks and features that sherpa-onnx does not take, and where it
    recognises other texts than Keras.
    """
    model, dataset = trainer.model, (trainer.validation or trainer.data).dataset
    processor = dataset.processor
    if not isinstance(model, Conformer):
        raise UserError(f"{type(model).__name__}: only conformers are exported to ONNX")
    if (processor.features, processor.normalize, processor.step_ms) != (FEATURES, "fixed", 10):
        raise UserError(
            f"features {processor.features}, {processor.normalize}, every {processor.step_ms} ms: "
            f"sherpa-onnx computes {FEATURES} with fixed normalisation, every 10 ms; use these"
        )
    out.mkdir(parents=True, exist_ok=True)
    conformer_onnx.write(model, network, processor.constants, out)
    ways: list[Way] = [_Offline(out)]
    if model.chunk:
        conformer_streaming.write(model, network, processor.constants, out)
        ways.append(_Streaming(out, model))
    figures = {way.name: proof(way, model, network, dataset) for way in ways}
    write_record(out / FIGURES, figures)
    for way, found in figures.items():
        log.info(
            f"sherpa-onnx, {way}: {found['equal']} of {found['clips']} texts as in Keras, "
            f"{found['real_time_factor']:.3f} x real time on one core"
        )
        if found["equal"] < LOWEST_AGREEMENT * found["clips"]:
            example = json.dumps(found["different"][:1], ensure_ascii=False)
            raise UserError(
                f"{out}: sherpa-onnx, {way}, recognises other texts than Keras in "
                f"{found['clips'] - found['equal']} of {found['clips']} clips, such as {example}"
            )
    (out / CARD).write_text(_card(name, model, figures), encoding="utf-8")  # last: it is whole
    return figures


class Way:
    """A recogniser of sherpa-onnx. `tail`: silence after a clip, in seconds."""

    name = ""
    tail = 0.0

    def text(self, samples: Audio) -> str:
        """What is recognised."""
        raise NotImplementedError


class _Offline(Way):
    """Whole clips."""

    name = "offline"

    def __init__(self, out: Path) -> None:
        import sherpa_onnx

        self._recognizer = sherpa_onnx.OfflineRecognizer.from_zipformer_ctc(
            str(out / MODEL), str(out / TOKENS), num_threads=1
        )

    def text(self, samples: Audio) -> str:
        stream = self._recognizer.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        self._recognizer.decode_stream(stream)
        return str(stream.result.text)


class _Streaming(Way):
    """Speech as it arrives, in pieces of a tenth of a second."""

    name, tail = "streaming", 1.0

    def __init__(self, out: Path, model: Conformer) -> None:
        import sherpa_onnx

        self._recognizer = sherpa_onnx.OnlineRecognizer.from_wenet_ctc(
            tokens=str(out / TOKENS),
            model=str(out / conformer_streaming.MODEL),
            chunk_size=model.chunk,
            num_left_chunks=model.left,
            num_threads=1,
        )

    def text(self, samples: Audio) -> str:
        stream = self._recognizer.create_stream()
        for at in range(0, len(samples), SAMPLE_RATE_HZ // 10):
            stream.accept_waveform(SAMPLE_RATE_HZ, samples[at : at + SAMPLE_RATE_HZ // 10])
            while self._recognizer.is_ready(stream):
                self._recognizer.decode_stream(stream)
        stream.input_finished()
        while self._recognizer.is_ready(stream):
            self._recognizer.decode_stream(stream)
        return str(self._recognizer.get_result(stream))


def proof(way: Way, model: Conformer, network: Network, dataset: AudioDataset) -> dict[str, Any]:
    """How many clips have the same text in sherpa-onnx and in Keras, and how fast."""
    seconds = spent = 0.0
    different: list[dict[str, str]] = []
    count = min(len(dataset), MOST_CLIPS)
    silence = np.zeros(int(way.tail * SAMPLE_RATE_HZ), np.float32)
    with progress(f"sherpa-onnx, {way.name}", count, 0, "clip") as bar:
        for number in range(count):
            samples = np.concatenate([dataset.store[number], silence])
            start = time.perf_counter()
            found = way.text(samples)
            spent += time.perf_counter() - start
            seconds += len(samples) / SAMPLE_RATE_HZ
            wanted = _by_keras(model, network, dataset.processor(samples))
            if found.split() != wanted.split():
                different.append({"keras": wanted, "sherpa": found})
            bar.update(1)
    return {
        "clips": count,
        "equal": count - len(different),
        "real_time_factor": spent / seconds,
        "different": different[:20],
    }


def _by_keras(model: Conformer, network: Network, features: np.ndarray) -> str:
    frames = len(features)
    x = stacked([features], roomy(frames))
    batch = Batch(x, np.array([frames], np.int32), [np.zeros(0, np.int32)], [0], 1)
    return model.transcripts(network, batch, network.predict_on_batch(model.inputs(batch)))[0]


def _card(name: str, model: Conformer, figures: dict[str, Any]) -> str:
    checked = "\n".join(
        f"- {way}: {found['equal']} of {found['clips']} clips have the network's own text; "
        f"{found['real_time_factor']:.3f} times real time on one core"
        for way, found in figures.items()
    )
    return f"""# {name}

A speech recogniser for [sherpa-onnx](https://github.com/k2-fsa/sherpa-onnx), which runs on
Android, iOS, Raspberry Pi, Windows, macOS, Linux and in browsers.

```python
import sherpa_onnx, soundfile

recognizer = sherpa_onnx.OfflineRecognizer.from_zipformer_ctc("{MODEL}", "{TOKENS}")
samples, rate = soundfile.read("clip.wav", dtype="float32")
stream = recognizer.create_stream()
stream.accept_waveform(rate, samples)
recognizer.decode_stream(stream)
print(stream.result.text)
```

```
sherpa-onnx-offline --zipformer-ctc-model={MODEL} --tokens={TOKENS} clip.wav
```
{_streaming_card(model)}
Checked in sherpa-onnx:

{checked}
"""


def _streaming_card(model: Conformer) -> str:
    if not model.chunk:
        return ""
    return f"""
While somebody speaks, with {model.chunk * 40} ms of delay:

```python
recognizer = sherpa_onnx.OnlineRecognizer.from_wenet_ctc(
    tokens="{TOKENS}", model="{conformer_streaming.MODEL}",
    chunk_size={model.chunk}, num_left_chunks={model.left},
)
stream = recognizer.create_stream()
for part in microphone:  # float32 at 16 kHz, of any length
    stream.accept_waveform(16000, part)
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    print(recognizer.get_result(stream))
```
"""
