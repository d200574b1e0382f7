"""Sample databases (`.sdb`) of DeepSpeech and Coqui STT: speech with transcripts in one file, as Opus or WAV. Also written here.

Layout: `SAMPLEDB`, schema as JSON, samples (length, then length and bytes of each column), index of offsets; numbers big-endian.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from trainer.audio import SAMPLE_RATE_HZ, to_int16
from trainer.readers import ReaderError, Utterance

TITLE, LICENCE, SOURCE = "A sample database", "", ""
MAGIC = b"SAMPLEDB"
OPUS, WAV = "application/vnd.mozilla.opus", "audio/wav"
OPUS_RATE_HZ, PACKET_SECONDS = 48_000, 0.06


def read(path: Path) -> Iterator[Utterance]:
    """Clips in order. Each is unpacked beside the file, into `<name>.clips-<its time>/`, when it is first read. Raises ReaderError."""
    if not path.is_file():
        raise ReaderError(f"{path}: no such file")
    folder = path.with_name(f"{path.name}.clips-{path.stat().st_mtime_ns:x}")
    for number, (kind, sound, transcript) in enumerate(samples(path)):
        clip = folder / f"{number:08d}.{'wav' if kind == WAV else 'opus'}"
        data = sound if kind == WAV else ogg_opus(sound)
        if not clip.exists() or clip.stat().st_size != len(data):
            folder.mkdir(exist_ok=True)
            clip.write_bytes(data)
        yield Utterance(str(clip), transcript)


def samples(path: Path) -> Iterator[tuple[str, bytes, str]]:
    """(mime type, payload, transcript) of each sample. Raises ReaderError."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ReaderError(f"{path}: not a sample database")
            (size,) = struct.unpack(">Q", file.read(8))
            schema = json.loads(file.read(size))["schema"]
            _, count = struct.unpack(">QQ", file.read(16))
            for _ in range(count):
                file.read(4)
                columns = []
                for _column in schema:
                    (length,) = struct.unpack(">I", file.read(4))
                    columns.append(file.read(length))
                found = {c["content"]: (c["mime-type"], data) for c, data in zip(schema, columns, strict=True)}
                kind, sound = found["speech"]
                yield kind, sound, found["transcript"][1].decode() if "transcript" in found else ""
    except (struct.error, KeyError, ValueError) as error:
        raise ReaderError(f"{path}: cut off, or not a sample database ({error})") from error


def write(path: Path, clips: Iterable[tuple[np.ndarray, str]]) -> int:
    """A database of (samples at 16 kHz, transcript), as WAV, short clips first; returns how many. Clips wait in a file beside."""
    schema = json.dumps({"schema": [{"content": "speech", "mime-type": WAV}, {"content": "transcript", "mime-type": "text/plain"}]}).encode()
    head = MAGIC + struct.pack(">Q", len(schema)) + schema
    unsorted = path.with_name(f"{path.name}.unsorted")
    places: list[tuple[int, int, int]] = []  # length of the clip, offset, bytes
    with unsorted.open("w+b") as waiting:
        for sound, transcript in clips:
            buffer = io.BytesIO()
            soundfile.write(buffer, to_int16(sound), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
            columns = b"".join(struct.pack(">I", len(data)) + data for data in (buffer.getvalue(), transcript.encode()))
            places.append((len(sound), waiting.tell(), 4 + len(columns)))
            waiting.write(struct.pack(">I", len(columns)) + columns)
        places.sort()
        with path.open("wb") as out:
            out.write(head + struct.pack(">QQ", 8 + sum(size for _, _, size in places), len(places)))
            offsets = []
            for _, at, size in places:
                offsets.append(out.tell())
                waiting.seek(at)
                out.write(waiting.read(size))
            index = struct.pack(">Q", len(places)) + b"".join(struct.pack(">Q", offset) for offset in offsets)
            out.write(struct.pack(">Q", len(index)) + index)
    unsorted.unlink()
    return len(places)


def ogg_opus(payload: bytes) -> bytes:
    """The private container of Opus packets (60 ms each) as an Ogg stream (RFC 7845), which every reader knows."""
    pcm_bytes, rate, channels, width = struct.unpack(">IIBB", payload[:10])
    packets, at = [], 10
    while at < len(payload):
        (size,) = struct.unpack(">H", payload[at : at + 2])
        packets.append(payload[at + 2 : at + 2 + size])
        at += 2 + size
    frames = pcm_bytes // (channels * width)
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 0, rate, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    pages = [_page(0, 2, 0, head), _page(1, 0, 0, tags)]
    total = frames * OPUS_RATE_HZ // rate
    for number, packet in enumerate(packets):
        last = number == len(packets) - 1
        granule = total if last else round((number + 1) * PACKET_SECONDS * OPUS_RATE_HZ)
        pages.append(_page(number + 2, 4 if last else 0, granule, packet))
    return b"".join(pages)


def _page(number: int, flags: int, granule: int, packet: bytes) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = b"OggS" + struct.pack("<BBqIIIB", 0, flags, granule, 1, number, 0, len(lacing)) + lacing + packet
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _crc(data: bytes) -> int:
    """Ogg's checksum: polynomial 0x04c11db7, neither reflected nor inverted; by way of zlib's, which is both."""
    mirror = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
    value = zlib.crc32(data.translate(mirror), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)
