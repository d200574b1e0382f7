"""The YAML beside a model in `esphome config`: a device of one's own, and Voice PE's form."""

import subprocess
from pathlib import Path

import pytest

from trainer.wakeword.export import esphome, manifest

DEVICE = """
esphome:
  name: device
esp32:
  board: esp32-s3-devkitc-1
  framework:
    type: esp-idf
psram:
  mode: octal
  speed: 80MHz
logger:
api:
wifi:
  ssid: x
  password: xxxxxxxx
i2s_audio:
  - id: bus
    i2s_lrclk_pin: GPIO3
    i2s_bclk_pin: GPIO2
microphone:
  - platform: i2s_audio
    id: mic
    i2s_audio_id: bus
    adc_type: external
    i2s_din_pin: GPIO4
    sample_rate: 16000
voice_assistant:
  microphone: mic
  micro_wake_word: mww
"""


def described(folder: Path, name: str) -> None:
    """A model's files (its content is not looked at) and its manifest."""
    (folder / f"{name}.tflite").write_bytes(b"TFL3")
    micro = manifest.Micro(
        probability_cutoff=0.9,
        sliding_window_size=5,
        feature_step_size=10,
        tensor_arena_size=40_000,
        minimum_esphome_version=manifest.MINIMUM_ESPHOME,
    )
    found = manifest.Manifest(
        wake_word=name, author="x", model=f"{name}.tflite", trained_languages=["en"], micro=micro
    )
    manifest.write(folder / f"{name}.json", found)


def accepted(folder: Path, text: str) -> str:
    (folder / "device.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["esphome", "config", "device.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, name: str) -> str:
    """The YAML of a model, with a model for `vad:` that need not be downloaded."""
    described(folder, name)
    described(folder, "vad")
    esphome.write(folder / f"{name}.yaml", name)
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    assert "  vad:" in text
    return text.replace("  vad:", "  vad:\n    model: vad.json\n  #", 1)


@pytest.mark.parametrize("name", ["hey_buster", "2nd_base", "olá_joão"])
def test_a_device_of_ones_own(tmp_path, name):
    text = written(tmp_path, name).replace("micro_wake_word:\n", "micro_wake_word:\n  id: mww\n", 1)
    found = accepted(tmp_path, DEVICE + text)
    assert f"{name}.json" in found


def test_several_models_in_the_form_of_voice_pe(tmp_path):
    """The commented part of the YAML, joined to a package that has models of its own."""
    text = written(tmp_path, "hey_buster")
    described(tmp_path, "okay_nabu")
    start = text.index("# micro_wake_word:")
    own = "\n".join(line[2:] for line in text[start:].splitlines())
    (tmp_path / "package.yaml").write_text(
        DEVICE + "micro_wake_word:\n  id: mww\n  microphone: mic\n  models:\n"
        "    - model: okay_nabu.json\n      id: okay_nabu\n"
    )
    found = accepted(tmp_path, "packages:\n  voice: !include package.yaml\n" + own)
    assert "model_hey_buster" in found
    assert found.index("okay_nabu.json") < found.index("hey_buster.json")
