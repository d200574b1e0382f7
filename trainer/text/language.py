"""A language as a folder: settings, corpora, text and rules. Adding one is adding `lang/<code>/`.

    params.sh      settings, as variables (EPOCHS=30)
    metadata.sh    metadata of exported models
    importers.sh   prints the corpora, a line each: reader, files in sources/ or addresses,
                   option=value
    prepare_lm.sh  prints the texts of the language model, a line each: file, address, or
                   `transcripts`
    rules.toml     how sentences become labels, with examples
    alphabet.txt   the labels (without it: the characters of the transcripts)

A folder of the same name under /data/lang comes first. The scripts see all settings as variables;
names are those of commonvoice-fr.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.errors import UserError
from trainer.programs import ProgramError
from trainer.text.alphabet import Alphabet, read_alphabet
from trainer.text.rules import Example, Rules, composed, read_rules

PACKAGE = Path(__file__).parents[1]
# in a checkout and in the image next to the package, in a wheel inside it
HOME = next(p for p in (PACKAGE.parent / "lang", PACKAGE / "lang") if p.is_dir())
SCRIPTS = ("params.sh", "metadata.sh", "importers.sh", "prepare_lm.sh")
TRANSCRIPTS = "transcripts"
SECONDS = 600.0


@dataclass(frozen=True)
class Line:
    """One line of importers.sh or prepare_lm.sh: what reads it, where it is, how."""

    name: str
    places: tuple[str, ...]
    options: dict[str, str]


@dataclass(frozen=True)
class Language:
    """A language's folder, read."""

    code: str
    folder: Path
    rules: Rules
    examples: tuple[Example, ...]
    alphabet: Alphabet | None

    def problem_with(self, example: Example) -> str:
        """What is wrong with the labels that the rules give; empty if nothing is."""
        found = self.rules.labels(example.given)
        if found != example.labels:
            return f", expected {example.labels!r}"
        outside = self.alphabet.missing(found) if self.alphabet and found else []
        return f", not in the alphabet: {outside}" if outside else ""


def codes() -> list[str]:
    """The languages that come with the project."""
    return sorted(p.name for p in HOME.iterdir() if (p / "rules.toml").exists())


def find(code: str, data_dir: Path) -> Path:
    """The folder of a language, of the user's own before the project's. Raises UserError."""
    for home in (data_dir / "lang", HOME):
        if code and (home / code).is_dir():
            missing = [name for name in SCRIPTS if not (home / code / name).exists()]
            if missing:
                raise UserError(
                    f"{home / code}: no {' and no '.join(missing)}; see docs/adding-a-language.md"
                )
            return home / code
    raise UserError(
        f"no language '{code}' in {data_dir / 'lang'}; the shipped ones are {', '.join(codes())}"
    )


def read(code: str, data_dir: Path) -> Language:
    """Rules and alphabet of a language. Raises UserError."""
    folder = find(code, data_dir)
    rules, examples = read_rules(folder / "rules.toml")
    path = folder / "alphabet.txt"
    alphabet = read_alphabet(path) if path.exists() else None
    spelling = composed(alphabet.labels) if alphabet else ()
    rules = replace(rules, casing=rules.casing or code, composed=spelling)
    return Language(code, folder, rules, tuple(examples), alphabet)


def variables(script: Path) -> dict[str, str]:
    """Variables of params.sh or metadata.sh, by bash without environment. Raises UserError."""
    before = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}
    printed = _run(["bash", "-euc", 'set -a; . "$0"; env -0', str(script)], script, before)
    found = dict(line.split("=", 1) for line in printed.split("\0") if "=" in line)
    return {
        name: value
        for name, value in found.items()
        if name not in {*before, "SHLVL", "PWD", "OLDPWD", "_"}
    }


def script_lines(script: Path, environment: Mapping[str, str]) -> list[Line]:
    """What importers.sh or prepare_lm.sh prints. Raises UserError, ProgramError."""
    if not os.access(script, os.X_OK):
        raise UserError(f"{script} is not executable: chmod +x {script}")
    found = []
    for line in _run([str(script)], script, {**os.environ, **environment}).splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise UserError(f"{script} printed '{line}': {error}") from error
        if words:
            options = dict(
                word.split("=", 1)
                for word in words[1:]
                if "=" in word and "://" not in word.split("=", 1)[0]
            )
            places = (word for word in words[1:] if word.split("=", 1)[0] not in options)
            found.append(Line(words[0], tuple(places), options))
    return found


def _run(command: list[str], script: Path, environment: Mapping[str, str]) -> str:
    try:
        if b"\r\n" in script.read_bytes():
            raise UserError(
                f"{script} has the line endings of Windows: convert it, as with sed -i 's/\\r$//'"
            )
        done = subprocess.run(
            command, env=dict(environment), capture_output=True, timeout=SECONDS, check=False
        )
    except OSError as error:
        raise UserError(
            f"{script} cannot be run: {error.strerror}; its first line must be #!/usr/bin/env bash"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{script}: not finished after {SECONDS:.0f} s") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UserError(
            f"{script} failed with exit code {done.returncode}: {' '.join(last) or 'no output'}"
        )
    return done.stdout.decode(errors="replace")
