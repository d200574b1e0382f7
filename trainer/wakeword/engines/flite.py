"""Flite in this process, by its C library (2.2): four English voices."""

import ctypes
from functools import cache
from typing import Any

import numpy as np

from trainer.audio.io import Audio, resample
from trainer.errors import UserError
from trainer.text.characters import plain

VOICES = ("rms", "slt", "awb", "kal16")


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libflite.so.1", ctypes.RTLD_GLOBAL)
        for name in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
            ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise UserError(
            "flite is not installed: the image has it (Debian: apt-get install flite)"
        ) from error
    library.flite_init()
    library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
    library.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.flite_feat_set_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
    library.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("flite_synth_text", pointer, [text, pointer]),
        ("utt_relation", pointer, [pointer, text]),
        ("relation_head", pointer, [pointer]),
        ("item_next", pointer, [pointer]),
        ("item_feat_string", text, [pointer, text]),
        ("delete_utterance", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _voice(name: str) -> Any:
    _library()
    voice = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1", ctypes.RTLD_GLOBAL)
    register = getattr(voice, f"register_cmu_us_{name}")
    register.restype = ctypes.POINTER(_Voice)
    return register(None)


def load() -> None:
    """Load all voices."""
    for name in VOICES:
        _voice(name)


def speak(text: str, voice: str, stretch: float, pitch_hz: float, timbre: float) -> Audio:
    """Synthesize English text. `stretch` > 1: slower; `timbre` > 1: a shorter vocal tract."""
    library, handle = _library(), _voice(voice)
    library.flite_feat_set_float(handle.contents.features, b"duration_stretch", stretch * timbre)
    library.flite_feat_set_float(handle.contents.features, b"int_f0_target_mean", pitch_hz / timbre)
    wave = library.flite_text_to_wave(_readable(text), handle)
    if not wave:
        raise UserError(f"flite cannot say '{text}'")
    count, rate_hz = wave.contents.num_samples, wave.contents.sample_rate
    samples = (
        np.ctypeslib.as_array(wave.contents.samples, (max(count, 1),))[:count].astype(np.float32)
        / 32768
    )
    library.delete_wave(wave)
    return resample(samples, rate_hz * timbre, "MQ") if count else samples


def _readable(text: str) -> bytes:
    """Without diacritics: Flite spells out the bytes of other letters."""
    return plain(text).encode()


def phonemes(text: str) -> list[str]:
    """Its phonemes of `text` (ARPAbet, as in the CMU dictionary), without pauses."""
    library, found = _library(), []
    utterance = library.flite_synth_text(_readable(text), _voice(VOICES[0]))
    item = library.relation_head(library.utt_relation(utterance, b"Segment"))
    while item:
        found.append(library.item_feat_string(item, b"name").decode())
        item = library.item_next(item)
    library.delete_utterance(utterance)
    return [p for p in found if p != "pau"]
