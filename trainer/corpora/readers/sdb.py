"""Sample databases (`.sdb`) of DeepSpeech and Coqui STT, read and written.

Speech with transcripts in one file, as Opus or WAV. Layout: `SAMPLEDB`, schema as JSON, samples
(length, then length and bytes of each column), index of offsets; numbers big-endian.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from trainer.audio.io import SAMPLE_RATE_HZ, to_int16
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE, LICENCE, SOURCE = "A sample database", "", ""
MAGIC = b"SAMPLEDB"
OPUS, WAV = "application/vnd.mozilla.opus", "audio/wav"
OPUS_RATE_HZ, PACKET_SECONDS = 48_000, 0.06


def read(path: Path) -> Iterator[Utterance]:
    """Clips in order, unpacked into `<name>.clips-<its time>/` at first use. Raises UserError."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    folder = path.with_name(f"{path.name}.clips-{path.stat().st_mtime_ns:x}")
    for number, (kind, sound, transcript) in enumerate(samples(path)):
        clip = folder / f"{number:08d}.{'wav' if kind == WAV else 'opus'}"
        data = sound if kind == WAV else ogg_opus(sound)
        if not clip.exists() or clip.stat().st_size != len(data):
            folder.mkdir(exist_ok=True)
            clip.write_bytes(data)
        yield Utterance(str(clip), transcript)


def samples(path: Path) -> Iterator[tuple[str, bytes, str]]:
    """(mime type, payload, transcript) of each sample. Raises UserError."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise UserError(f"{path}: not a sample database")
            (size,) = struct.unpack(">Q", file.read(8))
            schema = json.loads(file.read(size))["schema"]
            _, count = struct.unpack(">QQ", file.read(16))
            for _ in range(count):
                file.read(4)
                columns = []
                for _column in schema:
                    (length,) = struct.unpack(">I", file.read(4))
                    columns.append(file.read(length))
                found = {
                    c["content"]: (c["mime-type"], data)
                    for c, data in zip(schema, columns, strict=True)
                }
                kind, sound = found["speech"]
                yield kind, sound, found["transcript"][1].decode() if "transcript" in found else ""
    except (struct.error, KeyError, ValueError) as error:
        raise UserError(f"{path}: cut off, or not a sample database ({error})") from error


def write(path: Path, clips: Iterable[tuple[np.ndarray, str]]) -> int:
    """Write (samples at 16 kHz, transcript) as WAV, short clips first; returns their number."""
    kinds = (("speech", WAV), ("transcript", "text/plain"))
    described = [{"content": name, "mime-type": kind} for name, kind in kinds]
    schema = json.dumps({"schema": described}).encode()
    head = MAGIC + struct.pack(">Q", len(schema)) + schema
    unsorted = path.with_name(f"{path.name}.unsorted")
    places: list[tuple[int, int, int]] = []  # length of the clip, offset, bytes
    with unsorted.open("w+b") as waiting:
        for sound, transcript in clips:
            buffer = io.BytesIO()
            soundfile.write(buffer, to_int16(sound), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
            columns = b"".join(
                struct.pack(">I", len(data)) + data
                for data in (buffer.getvalue(), transcript.encode())
            )
            places.append((len(sound), waiting.tell(), 4 + len(columns)))
            waiting.write(struct.pack(">I", len(columns)) + columns)
        places.sort()
        with path.open("wb") as out:
            out.write(
                head + struct.pack(">QQ", 8 + sum(size for _, _, size in places), len(places))
            )
            offsets = []
            for _, at, size in places:
                offsets.append(out.tell())
                waiting.seek(at)
                out.write(waiting.read(size))
            index = struct.pack(">Q", len(places)) + b"".join(
                struct.pack(">Q", offset) for offset in offsets
            )
            out.write(struct.pack(">Q", len(index)) + index)
    unsorted.unlink()
    return len(places)


def ogg_opus(payload: bytes) -> bytes:
    """DeepSpeech's container of Opus packets (60 ms each) as an Ogg stream (RFC 7845)."""
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
    page = (
        b"OggS"
        + struct.pack("<BBqIIIB", 0, flags, granule, 1, number, 0, len(lacing))
        + lacing
        + packet
    )
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _crc(data: bytes) -> int:
    """Ogg's checksum (polynomial 0x04c11db7, not reflected or inverted), by means of zlib's."""
    mirror = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
    value = zlib.crc32(data.translate(mirror), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)
