"""The licence of a repository, from its licence file or its package's metadata."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("licences.toml")
UNKNOWN = ""
FILES = re.compile(r"(licen[cs]es?|copying|unlicense)([-._].*)?", re.IGNORECASE)
METADATA = {"package.json", "pyproject.toml", "cargo.toml", "pkg-info", "metadata", "composer.json"}
SPDX = re.compile(r"SPDX-License-Identifier:\s*([^\n*]+)")
# Debian's format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
DEBIAN = re.compile(r"^Files: \*\n(?:.+\n)*?License: *(.+)$", re.MULTILINE)
NAMES = {  # as metadata has them -> SPDX
    "expat": "MIT",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "the mit license": "MIT",
    "psf": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "public domain": "Unlicense",
}


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def is_statement(name: str) -> bool:
    """Whether a file of this name may tell the licence."""
    return bool(FILES.fullmatch(name)) or name.lower() in METADATA


def stated(name: str, text: str) -> str:
    """The licence (SPDX name or expression) that a file states, or UNKNOWN."""
    if FILES.fullmatch(name):
        return of_text(text)
    try:
        return _normal(_of_metadata(name.lower(), text))
    except (ValueError, LookupError, AttributeError, TypeError):
        return UNKNOWN


def of_text(text: str) -> str:
    """The licence whose phrase comes first in a licence file; "restricted" for added terms."""
    if text.startswith("Format:") and (match := DEBIAN.search(text)):
        return _normal(match[1])
    plain = " ".join(text.lower().replace("\u2018", "'").replace("\u2019", "'").split())
    if any(phrase in plain for phrase in _table()["restricting"]):
        return "restricted"
    places = [
        (plain.find(phrase), name)
        for name, phrases in _table()["texts"].items()
        for phrase in phrases
        if phrase in plain
    ]
    found = min(places)[1] if places else UNKNOWN
    if found == "BSD-3-Clause" and "neither the name" not in plain and "3-clause" not in plain:
        return "BSD-2-Clause"
    return found


def _of_metadata(name: str, text: str) -> str:
    if name in ("package.json", "composer.json"):
        given = json.loads(text)
        found = given.get("license") or given.get("licenses") or UNKNOWN
        if isinstance(found, list):
            return " OR ".join(one if isinstance(one, str) else one["type"] for one in found)
        return found["type"] if isinstance(found, dict) else str(found)
    if name == "cargo.toml":
        return str(tomllib.loads(text)["package"].get("license", UNKNOWN))
    if name == "pyproject.toml":
        project = tomllib.loads(text).get("project", {})
        found = project.get("license", UNKNOWN)
        return str(found.get("text", UNKNOWN)) if isinstance(found, dict) else str(found)
    match = re.search(r"^License(?:-Expression)?: *(.+)$", text, re.MULTILINE)
    return match[1] if match else UNKNOWN


def _normal(given: str) -> str:
    given = given.strip()
    if not given or given.upper().startswith(("SEE LICENSE", "UNLICENSED", "UNKNOWN")):
        return UNKNOWN
    return NAMES.get(given.lower(), given)


def allowed(licence: str, wanted: str) -> bool:
    """Whether a licence, or an SPDX expression, is among the `wanted`: "any", or names separated
    by commas; "permissive" stands for those of licences.toml."""
    names = {one.strip().lower() for one in wanted.split(",") if one.strip()}
    if "any" in names:
        return True
    if "permissive" in names:
        names |= {one.lower() for one in _table()["permissive"].split()}
    expression = licence.replace("(", " ").replace(")", " ").lower()
    return any(
        all(part.strip().removesuffix("+") in names for part in re.split(r"\s+and\s+", option))
        for option in re.split(r"\s+or\s+|/", expression)
    )
