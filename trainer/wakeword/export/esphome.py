"""A configuration for ESPHome beside the model: for own devices, and for Voice PE."""

from pathlib import Path

TEXT = """\
# {name} on ESPHome: copy {name}.tflite and {name}.json beside your device's YAML, and add this.
# Several models may be listed; those of ESPHome itself by name, such as `- model: okay_nabu`.
micro_wake_word:
  vad:  # wakes only while somebody speaks
  models:
    - model: {name}.json
    # or from an address: - model: https://example.org/{name}.json
  on_wake_word_detected:
    - voice_assistant.start:
        wake_word: !lambda return wake_word;

# Home Assistant Voice PE: its package has `micro_wake_word: id: mww`, and lists are joined. Add
# only the model:
#
# micro_wake_word:
#   id: mww
#   models:
#     - model: {name}.json
#       id: {id}
"""


def write(path: Path, name: str) -> None:
    """<name>.yaml for a model whose files are <name>.tflite and <name>.json."""
    identifier = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    path.write_text(TEXT.format(name=name, id=f"model_{identifier}"), encoding="utf-8")
