"""Sound files of any format: libsndfile reads what it can, FFmpeg (in PyAV's wheels) the rest.

Phones and browsers record m4a, 3gp, amr, webm and mp4, which libsndfile does not know.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from trainer.errors import UserError

# of files that are meant as sound; which of the two libraries reads a file is found by trying
SUFFIXES = tuple(
    ".wav .flac .ogg .oga .opus .mp3 .aiff .aif .au .caf .w64 .sph .m4a .m4b .aac .webm .weba .mp4 "
    ".m4v .mov .mka .mkv .wma .amr .3gp .3gpp .3ga .wv .ape .ac3 .qta .g722 .gsm".split()
)

RAW = ("aac", "loas", "amr", "amrnb", "amrwb", "ac3", "eac3", "dts")  # no header with a length
BARE = {".g722": "g722", ".gsm": "gsm"}  # of telephone systems: no header at all, the name decides
PREROLL_SECONDS = 0.2  # codecs need some packets before they are right again


class AudioError(UserError):
    """A file that cannot be used."""


class Sound(Protocol):
    """An open file: what is used of soundfile.SoundFile."""

    @property
    def samplerate(self) -> int:
        """In Hz."""

    @property
    def channels(self) -> int:
        """How many."""

    @property
    def frames(self) -> int:
        """Length by the header, in samples; 0 if it does not say (a live recording)."""

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """The next (frames, channels) of float32, fewer at the end; -1: all."""

    def seek(self, frames: int) -> int:
        """Go on reading at a sample."""


@contextmanager
def opened(path: Path) -> Iterator[Sound]:
    """The file; what goes wrong with it is an AudioError."""
    if not path.is_file():
        raise AudioError("is a folder" if path.is_dir() else "no such file")
    if not os.access(path, os.R_OK):
        raise AudioError(f"may not be read by uid {os.getuid()}")
    try:
        file: soundfile.SoundFile | _FFmpegFile = soundfile.SoundFile(os.fsencode(path))
    except (soundfile.LibsndfileError, OSError, TypeError) as error:  # TypeError: .raw has no rate
        file = _FFmpegFile(path, _reason(error))
    with file:
        try:
            yield file
        except soundfile.LibsndfileError as error:
            raise AudioError(f"cannot be decoded ({_reason(error)})") from error


class _FFmpegFile:
    """The first audio stream of a file that can be decoded, as `Sound`."""

    def __init__(self, path: Path, reason: str) -> None:
        """`reason`: why libsndfile does not read it. Raises AudioError."""
        import av

        self._file = path.open("rb")  # names of any bytes
        try:
            self._container = av.open(self._file, "r", format=BARE.get(path.suffix.lower()))
            # without a codec context: recognised, but there is no decoder for it
            streams = [one for one in self._container.streams.audio if one.codec_context]
            self._stream = streams[0]
        except (av.error.FFmpegError, IndexError, OSError, UnicodeError) as error:
            self._file.close()
            raise AudioError(f"cannot be decoded ({reason})") from error
        self.samplerate = int(self._stream.rate)
        self.channels = int(self._stream.channels)
        self.frames = round(self._seconds() * self.samplerate)
        self._rest = np.zeros((0, self.channels), np.float32)
        self._blocks = self._decode(0)

    def _seconds(self) -> float:
        """Length by the header; 0 where FFmpeg only guesses it from the bit rate."""
        if self._container.format.name in RAW:
            return 0.0
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return max(self._container.duration or 0, 0) / 1_000_000

    def __enter__(self) -> "_FFmpegFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        self._file.close()

    def _decode(self, first: int) -> Iterator[np.ndarray]:
        """Decoded blocks from sample `first` on."""
        import av

        wanted = "flt", self._stream.layout.name, self.samplerate
        form, seen = av.AudioResampler(*wanted), None
        base = self._stream.start_time or 0
        skip: int | None = None
        for frame in self._frames():
            if skip is None:
                time = float((frame.pts or 0) - base) * float(frame.time_base or 0)
                skip = max(0, first - round(time * self.samplerate))
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if seen not in (None, kind):  # as in recordings of television
                form = av.AudioResampler(*wanted)
            seen = kind
            for part in form.resample(frame):
                block = part.to_ndarray().reshape(-1, self.channels)
                yield block[min(skip, len(block)) :]
                skip = max(0, skip - len(block))
        for part in form.resample(None) if skip is not None else ():
            yield part.to_ndarray().reshape(-1, self.channels)

    def _frames(self) -> Iterator[Any]:
        import av

        try:
            yield from self._container.decode(self._stream)
        except (av.error.FFmpegError, ValueError) as error:
            raise AudioError(f"cannot be decoded ({error})") from error

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        parts, count = [self._rest], len(self._rest)
        while frames < 0 or count < frames:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            count += len(block)
        found = np.concatenate(parts)
        end = len(found) if frames < 0 else frames
        self._rest = found[end:]
        return found[:end]

    def seek(self, frames: int) -> int:
        seconds = max(0.0, frames / self.samplerate - PREROLL_SECONDS)
        self._container.seek(int(seconds * 1_000_000))
        self._rest, self._blocks = self._rest[:0], self._decode(frames)
        return frames


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".").split(": ")[-1]
    # libsndfile's message for a file without mp3 frames
    damaged = text.startswith("File does not exist")
    return "damaged or not sound" if damaged else text or type(error).__name__
