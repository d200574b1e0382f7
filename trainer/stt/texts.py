"""The texts of the language model: of LM_TEXT, or of a language's prepare_lm.sh."""

import re
from collections.abc import Iterable
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log
from trainer.run import Run
from trainer.stt import sources
from trainer.stt.material import Material, Text, utterance_key
from trainer.stt.settings import SpeechSettings
from trainer.text import language as languages
from trainer.text.language import Line

MOST_TIMES = 10_000


def find_texts(run: Run[SpeechSettings], material: Material, variables: dict[str, str]) -> None:
    """Fill in material.texts. `variables`: what prepare_lm.sh sees.

    Raises UserError.
    """
    s = run.settings
    for line in _lines(s, material, variables):
        times = _times(line)
        if line.name == languages.TRANSCRIPTS:
            key = utterance_key(material.split.of("train"))
            material.texts.append(Text(line.name, (key,), times))
            continue
        found: list[Path] | sources.Missing
        if s.lm_text and Path(line.name).exists():
            found = [Path(line.name)]
        else:
            place, options = s.data_dir / "sources", line.options | {"take": "all"}
            names = (line.name, *line.places)
            found = sources.locate("text", names, options, place, s.download)
        if isinstance(found, sources.Missing):
            if s.lm_text:
                raise UserError(f"LM_TEXT: {line.name}: no such file")
            material.missing.append(found)
            log.info("missing text of the language model: %s", found.advice)
            continue
        material.used += found
        for path in found:
            archive = sources.is_archive(path)
            text = sources.unpacked(run.steps, "text", [path], "") if archive else path
            files = [path] if path.is_file() else sorted(path.rglob("*.txt*"))
            sums = (sources.checksum(f, sources.checksums(run.steps)) for f in files)
            material.texts.append(Text(text, tuple(sums), times))
    if not material.texts:
        log.warning("no text for the language model: no scorer is made")


def _lines(s: SpeechSettings, material: Material, variables: dict[str, str]) -> Iterable[Line]:
    """Each text once: of equal names the last line counts."""
    if s.lm_text:
        whole = Path(s.lm_text).exists()
        names = [s.lm_text] if whole else filter(None, map(str.strip, s.lm_text.split(",")))
        lines = [_counted(name) for name in names]
    elif material.language is not None:
        script = material.language.folder / "prepare_lm.sh"
        lines = languages.script_lines(script, variables)
    else:
        lines = []
    return {line.name: line for line in lines}.values()


def _counted(name: str) -> Line:
    """An entry of LM_TEXT: a text, or text*times."""
    counted = None if Path(name).exists() else re.fullmatch(r"(.+)\*(\d+)", name)
    return Line(counted[1], (), {"times": counted[2]}) if counted else Line(name, (), {})


def _times(line: Line) -> int:
    """How often the sentences of a text count."""
    times = line.options.get("times", "1")
    if not times.isdecimal() or not 1 <= int(times) <= MOST_TIMES:
        raise UserError(
            f"text of the language model: {line.name}: '{times}' is not a whole number from 1 to "
            f"{MOST_TIMES}"
        )
    return int(times)
