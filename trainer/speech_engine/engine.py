"""The folder of an engine: the reference's names (graph/, lang/, v), and what runtimes load.

Names are those of Serenade's export: graph/words.txt, graph/phones/, lang/lexicon.txt,
lang/phones.txt, v; the language models are KenLM's binaries instead of Kaldi's const_arpa.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import __version__, tarball
from trainer.downloads import sha256_of
from trainer.programs import run
from trainer.speech_engine import graph as graphs
from trainer.speech_engine import lexicon as lexicons
from trainer.speech_engine import ngrams, recognizers
from trainer.speech_engine.acoustics import Acoustics
from trainer.steps import write_record

G2P = Path("g2p") / "model.fst"
LEXICON = lexicons.IN_ENGINE
ARCHIVE = "speech-engine.tar.gz"
OF_ARCHIVE = ("v", "graph", "lang", "g2p")
SILENCES = ("SIL",)


@dataclass(frozen=True)
class Parts:
    """Folders of the steps that an engine is put together from. `g2p`: None for letters."""

    lexicon: Path
    ngrams: Path
    g2p: Path | None
    graph: Path | None


def write(
    parts: Parts, acoustics: Acoustics, languages: Sequence[str], hint_cost: float, out: Path
) -> None:
    """Everything but the report. Raises UserError, ProgramError."""
    lexicon = lexicons.read(parts.lexicon / "lexicon.txt")
    lang, graph = out / recognizers.LANG, out / "graph"
    for folder in (lang, graph / "phones"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(parts.lexicon / "lexicon.txt", out / LEXICON)
    units = ["<space>" if unit == " " else unit for unit in acoustics.units]
    phones = ["<eps>", *(() if acoustics.spells else SILENCES), *units, "#0"]
    table = "".join(f"{phone} {i}\n" for i, phone in enumerate(dict.fromkeys(phones)))
    (lang / "phones.txt").write_text(table, encoding="utf-8")
    disambiguation = [i for i, p in enumerate(dict.fromkeys(phones)) if p.startswith("#")]
    (graph / "phones" / "disambig.int").write_text("".join(f"{i}\n" for i in disambiguation))
    if parts.graph:
        for path in [*parts.graph.glob("*.fst"), parts.graph / graphs.WORDS]:
            shutil.copyfile(path, graph / path.name)
    else:
        listed = "".join(f"{w} {i}\n" for w, i in graphs.numbers(sorted(lexicon)).items())
        (graph / graphs.WORDS).write_text(listed, encoding="ascii")
    for name, target in (
        (ngrams.SEARCH, recognizers.SEARCH),
        (ngrams.RESCORE, recognizers.RESCORE),
    ):
        run(["build_binary", "trie", str(parts.ngrams / name), str(out / target)])
    if parts.g2p:
        (out / G2P).parent.mkdir(exist_ok=True)
        shutil.copyfile(parts.g2p / "model.fst", out / G2P)
    _write_runtimes(parts, acoustics, lexicon, out)
    (out / "v").write_text(f"{__version__}\n", encoding="ascii")
    given: dict[str, Any] = {
        "voicekiln": __version__,
        "languages": list(languages),
        "acoustic_model": {
            "kind": acoustics.kind,
            "licence": acoustics.licence,
            "key": acoustics.key,
        },
        "hint_class": ngrams.HINT,
        "hint_cost": hint_cost,
        "words": len(lexicon),
    }
    write_record(out / recognizers.RECORD, given)


def _write_runtimes(
    parts: Parts, acoustics: Acoustics, lexicon: Mapping[str, list[str]], out: Path
) -> None:
    if acoustics.kind == "pocketsphinx":
        from trainer.speech_engine.acoustics import pocketsphinx

        pocketsphinx.write(dict(lexicon), parts.ngrams / ngrams.SEARCH, out)
    elif acoustics.kind == "letters":
        from trainer.speech_engine.acoustics import letters

        letters.write(parts.ngrams / ngrams.SEARCH, acoustics, out)
    elif acoustics.kind == "kaldi":
        from trainer.speech_engine.acoustics import kaldi

        assert parts.graph is not None
        kaldi.write(parts.graph, acoustics, out)
    else:
        from trainer.speech_engine.acoustics import onnx

        assert parts.graph is not None
        onnx.write(parts.graph, acoustics, out)


def hashes(folder: Path) -> list[tuple[str, str]]:
    """(path, sha256) of all files of the engine of a step."""
    own = ("step.json", "used")  # of the step
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in own)
    return [(str(p.relative_to(folder)), sha256_of(p)) for p in files]


def pack(folder: Path, path: Path) -> None:
    """The reference's tarball."""
    tarball.write(folder, [p for name in OF_ARCHIVE if (p := folder / name).exists()], path)
