"""The test of a model: error rates of our decoder, and of the exported files in the clients."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.clients import LIBRARIES, fetch
from trainer.corpora.utterance import Utterance
from trainer.steps import write_record
from trainer.stt import preparation
from trainer.stt.evaluation import (
    Client,
    Figures,
    agreement,
    by_clip,
    error_rates,
    read_all,
    search_all,
    transcribe_all,
)
from trainer.stt.language_model import PACKAGE
from trainer.stt.settings import SpeechSettings
from trainer.text.alphabet import Alphabet
from trainer.text.decoder import Search
from trainer.workers import Workers

CLIPS = "clips.json"
CLIENT_CLIPS = 150  # of each test set, run by the clients themselves


@dataclass(frozen=True)
class TestPlan:
    """`use`: test or dev; `stored` and `scores`: sets and the network's scores, by corpus."""

    use: str
    stored: Mapping[str, Path]
    scores: Mapping[str, Path]
    scorer: Path | None
    exported: Path
    alphabet: Alphabet


def write_figures(plan: TestPlan, s: SpeechSettings, workers: Workers, path: Path) -> None:
    """JSON: set -> decoder -> figures. Raises UserError when a library refuses a file."""
    libraries = fetch(s.data_dir / "tools" / "clients")
    found, clips = {}, []
    for name in plan.scores:
        title = plan.use if plan.use == name else f"{plan.use} {name}"
        kept = preparation.utterances_kept(plan.stored[name])
        found[title], hypotheses = _test(plan, name, kept, s, libraries, workers)
        clips += [one | {"set": title} for one in by_clip(kept, hypotheses)]
    write_record(path, found)
    text = json.dumps(clips, indent=1, ensure_ascii=False) + "\n"
    path.with_name(CLIPS).write_text(text, encoding="utf-8", errors="backslashreplace")


def _test(
    plan: TestPlan,
    name: str,
    kept: Sequence[Utterance],
    s: SpeechSettings,
    libraries: Mapping[str, Path],
    workers: Workers,
) -> tuple[Figures, list[str]]:
    """(the figures of one set, by decoder; the hypotheses of our decoder with the scorer, if there
    is one)."""
    references = [u.transcript for u in kept]
    label = plan.use if plan.use == name else f"{plan.use} {name}"
    search = Search(s.export_beam_width, s.cutoff_top_n, s.cutoff_prob)
    scorer = plan.scorer / PACKAGE if plan.scorer else None
    found: Figures = {}
    ours: dict[bool, list[str]] = {}
    for scored in [False, True] if scorer else [False]:
        used = scorer if scored else None
        decoding = f"decoding ({label})"
        ours[scored] = search_all(plan.scores[name], plan.alphabet, search, used, workers, decoding)
        key = "with scorer" if scored else "without scorer"
        found[key] = error_rates(references, ours[scored], s.report_count)
    some = kept[:CLIENT_CLIPS]
    samples = read_all(s.audio_sample_rate, some, workers, f"reading ({label})")
    for library, (_, file) in LIBRARIES.items():
        model = plan.exported / file.replace("output_graph", s.export_file_name)
        client = Client(libraries[library], model)
        for scored, own in ours.items():
            used_client = replace(client, scorer=scorer) if scored else client
            running = f"{library} ({label})"
            hypotheses = transcribe_all(used_client, samples, workers, running)
            # as ours: untrained networks begin and end with spaces
            texts = [hypothesis.text.strip() for hypothesis in hypotheses]
            rates = error_rates(references[:CLIENT_CLIPS], texts, s.report_count)
            key = f"{library} with scorer" if scored else library
            found[key] = rates | {"agreement": agreement(texts, own)}
    return found, ours[bool(scorer)]
