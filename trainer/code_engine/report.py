"""The report page and the model card of a code engine, as data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.code_engine import exporting
from trainer.code_engine.engine import read_record
from trainer.code_engine.settings import CodeEngineSettings
from trainer.downloads import sha256_of
from trainer.metrics.retrieval import RANKS
from trainer.page import Card, Page, Table, percent
from trainer.spoken_code.material import SOURCE_COLUMNS, rejected_rows, source_rows
from trainer.spoken_code.pairs import LANGUAGE_MODEL
from trainer.spoken_code.parallel import COUNTS

RATE_COLUMNS = ["held-out pairs", "pairs", *(f"recall@{rank}" for rank in RANKS), "95 % of @1",
                "parses", "perplexity"]  # fmt: skip
EXAMPLE_COLUMNS = ["", "context", "spoken", "reference", "first alternative", "rank"]
Rows = list[list[str]]


@dataclass(frozen=True)
class Model:
    """What a report and a card are about."""

    settings: CodeEngineSettings
    figures: dict[str, Any]
    engine: Path
    gathered: Path
    corpus: Path

    @property
    def record(self) -> dict[str, Any]:
        """engine.json."""
        return read_record(self.engine)

    @property
    def title(self) -> str:
        """Kind and languages."""
        return f"{self.record['model']}: {', '.join(self.record['languages'])}"


def rate_rows(model: Model) -> Rows:
    """RATE_COLUMNS of all groups of held-out pairs."""
    rows: Rows = []
    for name, found in model.figures["groups"].items():
        low, high = found["recall@1_interval"]
        recall = [f"{found[f'recall@{rank}']:.2f}" for rank in RANKS]
        rest = [f"{low:.2f} to {high:.2f}", percent(found["valid"]), f"{found['perplexity']:.2f}"]
        rows.append([name, str(found["pairs"]), *recall, *rest])
    for name, share in model.figures["baselines"].items():
        rows.append([f"baseline: {name}", "", f"{share:.2f}", *[""] * 5])
    return rows


def text_rows(model: Model) -> Rows:
    """Pairs of the splits by family."""
    counts = json.loads((model.corpus / COUNTS).read_text(encoding="utf-8"))
    return [
        [
            split,
            ", ".join(f"{count} {family}" for family, count in sorted(n["families"].items())),
            f"{n['seen_in_training']} left out, as they are in train" if split != "train" else "",
        ]
        for split, n in counts.items()
    ]


def model_rows(model: Model) -> Rows:
    """Size, and how CTranslate2 agrees with the trained model."""
    record = model.record
    agreement = record["agreement"]
    return [
        ["layers", "{} + {}".format(*record["layers"])],
        ["parameters", f"{record['parameters'] / 1e6:.2f} million"],
        ["vocabulary", str(record["vocabulary"])],
        [
            "CTranslate2 compared with Keras",
            f"log-probabilities differ by {agreement['difference']:.1e}; "
            f"{agreement['equal']} of {agreement['inputs']} best hypotheses are equal",
        ],
        ["time of an answer, one core", _times(model.figures["latency"])],
    ]


def _times(latency: dict[str, float]) -> str:
    return f"median {latency['p50_ms']:.0f} ms, 99 % within {latency['p99_ms']:.0f} ms"


def page(model: Model) -> Page:
    """report.html."""
    found = model.figures["groups"]["all"]
    what = "first of ten" if model.record["model"] == LANGUAGE_MODEL else "right at once"
    cards = [
        Card(percent(found["recall@1"]), f"of {found['pairs']} held-out pairs are {what}"),
        Card(percent(found["recall@5"]), "are among the first five"),
        Card(percent(found["valid"]), "of the first answers parse"),
        Card(f"{model.figures['latency']['p50_ms']:.0f} ms", "for an answer, one core, int8"),
    ]
    examples = [list(one.values()) for one in model.figures["examples"]]
    return Page(
        f"Code engine, {model.title}",
        f"profile {model.settings.profile}",
        cards,
        [],
        [
            Table("Held-out pairs", RATE_COLUMNS, rate_rows(model)),
            Table("Model", [], model_rows(model)),
            Table("Worst and median examples", EXAMPLE_COLUMNS, examples),
            Table("Pairs", ["split", "pairs", ""], text_rows(model)),
            Table("Sources", SOURCE_COLUMNS, source_rows(model.gathered)),
            Table("Rejected files", ["reason", "files", "such as"], rejected_rows(model.gathered)),
        ],
    )


def write_card(model: Model, out: Path) -> None:
    """README.md: the model, its use, figures, sources with licences, hashes."""
    record, sources = model.record, source_rows(model.gathered)
    files = "".join(
        f"- `{name}` {sha256_of(model.engine / name)}\n" for name in sorted(record["files"])
    )
    text = f"""# Code engine, {model.title}

A transformer of {record["parameters"] / 1e6:.2f} million parameters
({record["layers"][0]} + {record["layers"][1]} layers), made by Voicekiln
{record["voicekiln"]} from source code.

## Use

```
echo "return one" | trainer code-engine translate --engine . --context file.py:12
trainer code-engine serve --engine .
```

In CTranslate2: `ctranslate2/int8` or `ctranslate2/float32`, with `length_penalty=0`. In Marian:
`marian-decoder -c config.yml`. `{exporting.ARCHIVE}` holds the files by Serenade's names.

## How good it is

{_table(RATE_COLUMNS, rate_rows(model))}
## Model

{_table(["", ""], model_rows(model))}
## Sources

{_table(SOURCE_COLUMNS, sources)}
## Files

{files}"""
    (out / "README.md").write_text(text, encoding="utf-8")


def _table(columns: list[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
