"""Any model that a client runs, ours or a release, on transcribed clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from trainer.audio.decode import AudioError
from trainer.clients import fetch
from trainer.corpora import readers
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.stt.evaluation import CHUNK, Client, by_clip, error_rates, read_clips
from trainer.text import language as languages
from trainer.text.rules import AS_WRITTEN
from trainer.text.scorer import read as read_scorer
from trainer.workers import Workers


@dataclass(frozen=True)
class Evaluation:
    """Error rates with intervals, every clip with its errors, and clips that cannot be used."""

    figures: Mapping[str, Any]
    clips: Sequence[Mapping[str, Any]]
    rejected: Sequence[Rejected]


def client_of(model: Path, scorer: Path | None, library: Path | None, data_dir: Path) -> Client:
    """The client that fits a model's file. Raises UserError."""
    if scorer:
        read_scorer(scorer, None)  # a damaged one would crash the library
    name = "stt" if model.suffix == ".tflite" else "deepspeech"
    return Client(library or fetch(data_dir / "tools" / "clients")[name], model, scorer)


def evaluate(
    client: Client, places: Sequence[str], language: str, data_dir: Path, workers: Workers
) -> Evaluation:
    """Run the client on all clips of tables or corpora (`reader:place`).

    References are as written, or by the rules of a `language`. Raises UserError.
    """
    rules = languages.read(language, data_dir).rules if language else AS_WRITTEN
    clips: list[Utterance] = []
    rejected: list[Rejected] = []
    for place in places:
        kind, path, options = readers.named(place)
        given = list(readers.read(kind, path, options))
        test = [u for u in given if u.split == "test"]
        for u in test or given:
            text, reason = rules.apply(u.transcript)
            if reason or not text:
                rejected.append(Rejected(u.path, reason or "empty transcript", u.transcript))
            else:
                clips.append(replace(u, transcript=text))
    with client.load() as loaded:  # what is wrong with the model is told first
        rate_hz = loaded.sample_rate_hz
    chunks = [clips[at : at + CHUNK] for at in range(0, len(clips), CHUNK)]
    found = workers.run(partial(_run, client, rate_hz), chunks, "evaluation")
    results = [one for part in found for one in part]
    rejected += [one for one in results if isinstance(one, Rejected)]
    good = [(u, text) for u, text in zip(clips, results, strict=True) if isinstance(text, str)]
    if not good:
        reason = f", such as {rejected[0].path}: {rejected[0].reason}" if rejected else ""
        raise UserError(f"{', '.join(places)}: no clip can be used{reason}")
    kept, hypotheses = [u for u, _ in good], [text for _, text in good]
    figures = error_rates([u.transcript for u in kept], hypotheses)
    return Evaluation(figures, by_clip(kept, hypotheses), rejected)


def _run(client: Client, rate_hz: int, clips: Sequence[Utterance]) -> list[str | Rejected]:
    """Texts of clips, or why one cannot be read."""
    found: list[str | Rejected] = []
    with client.load() as loaded:
        for u in clips:
            try:
                (samples,) = read_clips(rate_hz, [u])
                found.append(loaded.transcribe(samples).text.strip())
            except AudioError as error:
                found.append(Rejected(u.path, str(error), u.transcript))
    return found
