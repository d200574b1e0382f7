"""The model card with front matter (the side file of DeepSpeech and Coqui exports), and the zip."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from trainer.downloads import sha256_of
from trainer.stt.language_model import PACKAGE
from trainer.stt.report import (
    DATA_COLUMNS,
    RATE_COLUMNS,
    TEXT_COLUMNS,
    Model,
    Rows,
    data_rows,
    rate_rows,
    setting_rows,
    text_rows,
)

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is made


def write_card(model: Model, out: Path) -> Path:
    """<name>.md: front matter as `export_metadata` of the original writes it, then error rates,
    data, licences, settings, hashes."""
    s = model.settings
    front = {
        "author": s.export_author_id,
        "model_name": s.export_model_name,
        "model_version": s.export_model_version,
        "contact_info": s.export_contact_info,
        "license": s.export_license,
        "language": model.language,
        "runtime": "tensorflow, tflite",
    }
    for client in ("ds", "stt"):
        for end in ("min", "max"):
            name = f"{end}_{client}_version"
            front[name] = getattr(s, f"export_{name}")
    front["acoustic_model_url"] = f"{s.export_file_name}.pbmm, {s.export_file_name}.tflite"
    front["scorer_url"] = PACKAGE if model.scorer else ""
    values = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
    lines = ["---", *values, "---", "", s.export_description, ""]
    lines += _section("Error rates", RATE_COLUMNS, rate_rows(model.figures))
    lines += _section("Data", DATA_COLUMNS, data_rows(model))
    if texts := text_rows(model):
        lines += _section("Text of the language model", TEXT_COLUMNS, texts)
    lines += ["## Settings", "", *(f"- {name}: {value}" for name, value in setting_rows(model))]
    files = sorted(model.exported.glob(f"{s.export_file_name}*"))
    files += [model.scorer / PACKAGE] if model.scorer else []
    hashes = [f"- {path.name}: {sha256_of(path)}" for path in files]
    lines += ["", "## Files (sha256)", "", *hashes]
    path = out / f"{model.name}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _section(title: str, head: Sequence[str], rows: Rows) -> list[str]:
    table = [head, ["---"] * len(head), *rows]
    return [f"## {title}", "", *(f"| {' | '.join(row)} |" for row in table), ""]


def write_zip(model: Model, card: Path) -> None:
    """<name>.zip next to the card: model (.tflite), scorer and card, as `--export_zip` makes it."""
    s = model.settings
    files = [model.exported / f"{s.export_file_name}.tflite", model.exported / "alphabet.txt", card]
    files += [model.scorer / PACKAGE] if model.scorer else []
    with zipfile.ZipFile(card.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            info = zipfile.ZipInfo(path.name, ZIP_TIME)
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
