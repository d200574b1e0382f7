"""What goes beside a model: its card with front matter (the side file of DeepSpeech and Coqui exports), a report page, a zip."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import report
from trainer.corpora import sha256_of
from trainer.settings_stt import SpeechSettings
from trainer.stt.decoder import read_scorer
from trainer.stt.gathering import Material
from trainer.stt.language_model import COUNTS, PACKAGE
from trainer.stt.preparation import Mels, rejected, short_reason

TEXT_COLUMNS = ["text", "sentences", "refused by the rules", "left out: in dev or test"]
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is made


@dataclass(frozen=True)
class Parts:
    """Everything that is told."""

    settings: SpeechSettings
    titles: dict[str, tuple[str, str, str]]  # corpus -> title, licence, source
    figures: dict[str, Any]
    sets: dict[str, dict[str, Path]]
    trained: Path
    scored: Path | None
    exported: Path
    material: Material
    text: Path | None  # of the language model


def name_of(s: SpeechSettings) -> str:
    """<author>_<model>_<version>, with the language."""
    language = s.export_language or s.model_language
    model = s.export_model_name if not language or language in s.export_model_name else f"{s.export_model_name}-{language}"
    return f"{s.export_author_id}_{model}_{s.export_model_version}".replace("/", "-")


def card_name(s: SpeechSettings) -> str:
    """File name of the card."""
    return f"{name_of(s)}.md"


def write_card(parts: Parts, path: Path) -> None:
    """Front matter as `export_metadata` of the original writes it, then data, licences, error rates, settings, hashes."""
    s = parts.settings
    front = {
        "author": s.export_author_id, "model_name": s.export_model_name, "model_version": s.export_model_version,
        "contact_info": s.export_contact_info, "license": s.export_license, "language": s.export_language or s.model_language,
        "runtime": "tensorflow, tflite", "min_ds_version": s.export_min_ds_version, "max_ds_version": s.export_max_ds_version,
        "min_stt_version": s.export_min_stt_version, "max_stt_version": s.export_max_stt_version,
        "acoustic_model_url": f"{s.export_file_name}.pbmm, {s.export_file_name}.tflite", "scorer_url": PACKAGE if parts.scored else "",
    }
    lines = ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()), "---", "", s.export_description, ""]
    lines += ["## Error rates", "", "| set | decoded by | clips | WER | 95 % | CER |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rates(parts.figures)]
    lines += ["", "## Data", "", "| set | corpus | clips | hours | licence | source |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in data(parts)]
    scorer = sha256_of(parts.scored / PACKAGE) if parts.scored else ""
    if texts := _texts(parts):
        lines += ["", "## Text of the language model", "", "| " + " | ".join(TEXT_COLUMNS) + " |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in texts]
    lines += ["", "## Settings", "", *(f"- {name.upper()}: {value}" for name, value in _told(parts).items())]
    lines += ["", "## Files (sha256)", "", *(f"- {p.name}: {sha256_of(p)}" for p in sorted(parts.exported.glob(f"{s.export_file_name}*")))]
    lines += [f"- {PACKAGE}: {scorer}"] if scorer else []
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rates(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """(set, decoder, clips, WER, interval, CER) of every test."""
    return [
        (label, decoder, str(r["clips"]), f"{100 * r['wer']:.1f} %", f"{100 * r['wer_interval'][0]:.1f} to {100 * r['wer_interval'][1]:.1f}",
         f"{100 * r['cer']:.1f} %")
        for label, by_decoder in figures.items() for decoder, r in by_decoder.items()
    ]


def data(parts: Parts) -> list[tuple[str, ...]]:
    """(set, corpus, clips, hours, licence, source)."""
    rows: list[tuple[str, ...]] = []
    for use, by_name in parts.sets.items():
        for name, folder in by_name.items():
            mels = Mels(folder)
            title, licence, source = parts.titles[name]
            rows.append((use, title, str(len(mels)), f"{mels.hours(parts.settings.features):.2f}", licence, source))
    return rows


def write_page(parts: Parts, path: Path) -> None:
    """report.html."""
    figures, s = parts.figures, parts.settings
    first = next(iter(figures.values()))
    headline = first.get("with scorer", first["without scorer"])
    metrics = parts.trained / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    plots = [(report.error_plot(rows), "Training loss, dev loss and dev word error rate (greedy)")] if len(rows) > 1 else []
    aside: dict[str, int] = {}
    reasons = [r for _, _, r, _ in parts.material.rejected_rows()]
    reasons += [short_reason(r) for by_name in parts.sets.values() for folder in by_name.values() for _, r, _ in rejected(folder)]
    for reason in reasons:
        aside[reason] = aside.get(reason, 0) + 1
    samples = [[label, kind, row["said"], row["heard"]] for label, by in figures.items() for kind in ("best", "median", "worst")
               for row in by.get("with scorer", by["without scorer"])[kind]]
    kinds = ("insertions", "deletions", "substitutions")
    edits = [[label, decoder, *(str(r[k]) for k in kinds), f"{100 * r['agreement']:.1f} %" if "agreement" in r else ""]
             for label, by in figures.items() for decoder, r in by.items()]
    cards = [(f"{100 * headline['wer']:.1f} %", "word error rate"), (f"{100 * headline['cer']:.1f} %", "character error rate"),
             (str(s.n_hidden), "hidden units"), (f"{sum(float(r[3]) for r in data(parts) if r[0] == 'train'):.2f} h", "trained on")]
    tables: list[tuple[str, list[str], list[list[str]]]] = [
        ("Error rates", ["set", "decoded by", "clips", "WER", "95 %", "CER"], [list(r) for r in rates(figures)]),
        ("Words wrong", ["set", "decoded by", "inserted", "deleted", "substituted", "same text as our decoder"], edits),
        ("Data", ["set", "corpus", "clips", "hours", "licence", "source"], [list(r) for r in data(parts)]),
        ("Text of the language model", TEXT_COLUMNS, [list(r) for r in _texts(parts)]),
        ("Set aside", ["reason", "clips"], [[reason, str(count)] for reason, count in sorted(aside.items(), key=lambda pair: -pair[1])]),
        ("Clips", ["set", "", "said", "heard"], samples),
        ("Settings", [], [[name.upper(), str(value)] for name, value in _told(parts).items()]),
    ]
    missing = [f"{m.name} was not there: {m.advice}" for m in parts.material.missing]
    subtitle = f"{s.export_language or s.model_language} · for DeepSpeech 0.9.3 and Coqui STT 1.4"
    tables = [table for table in tables if table[2]]
    report.write(path, f"Speech to text: {name_of(s)}", subtitle, cards, plots, tables, missing)


def write_zip(parts: Parts, out: Path) -> None:
    """<name>.zip: model (.tflite), scorer and card, as `--export_zip` makes it."""
    s = parts.settings
    files = [parts.exported / f"{s.export_file_name}.tflite", parts.exported / "alphabet.txt", out / card_name(s)]
    files += [parts.scored / PACKAGE] if parts.scored else []
    with zipfile.ZipFile(out / f"{name_of(s)}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.writestr(zipfile.ZipInfo(path.name, ZIP_TIME), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _texts(parts: Parts) -> list[tuple[str, ...]]:
    """(text, sentences taken, refused, left out)."""
    counted = json.loads((parts.text / COUNTS).read_text(encoding="utf-8")) if parts.text else {}
    return [(name, *map(str, counts.values())) for name, counts in counted.items()]


def _told(parts: Parts) -> dict[str, Any]:
    """Settings that change the model; alpha and beta as they are in the scorer."""
    left_out = {"workers", "redo", "data_dir", "download"}
    found = {name: value for name, value in parts.settings.model_dump().items() if name not in left_out and value not in (None, "")}
    if parts.scored:
        found["lm_alpha"], found["lm_beta"], _ = read_scorer(parts.scored / PACKAGE, parts.material.alphabet)
    return {name: value for name, value in found.items() if not name.startswith("export_")}
