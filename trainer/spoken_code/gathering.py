"""What both engines do first: settings of sources, and what the step `gather` does."""

import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import UserError
from trainer.log import log
from trainer.run import Run
from trainer.settings import Settings, setting
from trainer.spoken_code import material, sources
from trainer.spoken_code.languages import Language
from trainer.steps import fingerprint
from trainer.workers import Workers

# code in the train image: Python's own, and Debian's JavaScript libraries
IMAGE_SOURCES = (Path(sysconfig.get_path("stdlib")), Path("/usr/share/javascript"))


class SourceSettings(Settings):
    """Base of the settings of engines that are made from source code."""

    sources: str = setting(
        "",
        "Source code: folders, git clones, archives (.tar.gz, .zip), addresses, or a text file "
        "that lists some, separated by commas.",
        steps="always",
    )
    licences: str = setting(
        "permissive",
        "Licences of repositories that are used: permissive, SPDX names, or any (for code of your "
        "own), separated by commas.",
        steps="gather",
    )
    download: bool = setting(False, "Download SOURCES that are addresses.", steps="none")
    quick: bool = setting(
        False,
        "A small engine in minutes, from the code in the image if SOURCES is empty.",
        steps="none",
    )


S = TypeVar("S", bound=SourceSettings)


def places(run: Run[S], own: Sequence[Path] = IMAGE_SOURCES) -> list[Path]:
    """Folders and archives of source code; `own`: what a quick run takes without any."""
    s = run.settings
    if s.sources:
        return sources.places(s.sources, s.data_dir / "sources", s.download)
    if not s.quick:
        raise UserError(
            "SOURCES is empty: give folders, archives or addresses of source code, as "
            "--sources /data/repos; --test-mode needs none"
        )
    there = [path for path in own if path.exists()]
    log.info("--test-mode: the code in the image is the source: %s", ", ".join(map(str, there)))
    return there


def params(found: Sequence[Path], wanted: Sequence[Language]) -> dict[str, Any]:
    """What the step `gather` depends on, beyond settings. Raises UserError if there is no file."""
    files = sorted({p for place in found for p in sources.files_of(place, wanted)})
    if not files:
        raise UserError(
            f"SOURCES: {', '.join(map(str, found))}: no file of "
            f"{', '.join(one.name for one in wanted)}"
        )
    return {
        "files": fingerprint(files),
        "languages": [one.name for one in wanted],
        "places": [place.name for place in found],
    }


def fill(
    out: Path, found: Sequence[Path], wanted: Sequence[Language], licences: str, workers: Workers
) -> None:
    """The step: texts of the source files, and what is known of their repositories."""
    listings = material.list_all(found, wanted, licences)
    material.gather(out, listings, licences, workers)
