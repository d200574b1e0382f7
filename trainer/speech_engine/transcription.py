"""Recordings, or a microphone, as commands with alternatives."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.errors import UserError
from trainer.log import log
from trainer.speech_engine import hints as hinted
from trainer.speech_engine import recognizers
from trainer.speech_engine.acoustics import Alternative, along

MICROPHONE = Path("-")


@dataclass(frozen=True)
class Transcript:
    """A file's or an utterance's alternatives, the best first; `error`: why there are none."""

    path: str
    alternatives: tuple[Alternative, ...] = ()
    error: str = ""


def transcribe(
    engine: Path,
    files: Sequence[Path],
    hints: Sequence[str] = (),
    hint_cost: float | None = None,
    count: int = 1,
    microphone: BinaryIO | None = None,
) -> Iterator[Transcript]:
    """Of files, and of utterances of `microphone` where a file is "-". Raises UserError."""
    recognizers.record(engine)
    start = time.monotonic()
    words = hinted.pronounced(engine, hints) if hints else {}
    recognizer = recognizers.load(engine, words, hint_cost)
    if hints:
        log.info("hints: %d words added in %.1f s", len(words), time.monotonic() - start)
    for path in files:
        if path == MICROPHONE and microphone is not None:
            for number, parts in enumerate(utterances(microphone), 1):
                yield Transcript(str(number), tuple(along(recognizer, parts, count)))
            continue
        try:
            samples = audio.to_int16(audio.read(path))
        except (AudioError, OSError) as error:
            yield Transcript(str(path), error=f"{path}: {error}")
            continue
        yield Transcript(str(path), tuple(recognizer.alternatives(samples, count)))


def utterances(stream: BinaryIO) -> Iterator[Iterator[bytes]]:
    """16-bit samples between pauses (WebRTC's detector in PocketSphinx), in parts as they come;
    each utterance must be read to its end before the next."""
    try:
        from pocketsphinx import Endpointer
    except ModuleNotFoundError as error:
        raise UserError("pocketsphinx is not installed here: the train image has it") from error
    detector = Endpointer(sample_rate=SAMPLE_RATE_HZ)

    def speech() -> Iterator[bytes]:
        """Parts up to the next pause; none when the stream has ended."""
        while frame := stream.read(detector.frame_bytes):
            whole = len(frame) == detector.frame_bytes
            part = detector.process(frame) if whole else detector.end_stream(frame)
            if part is not None:
                yield part
                if not detector.in_speech:
                    return

    while first := next(parts := speech(), b""):
        yield chain([first], parts if detector.in_speech else ())
