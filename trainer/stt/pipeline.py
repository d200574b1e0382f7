"""The line from recordings to a speech-to-text model, top to bottom: import, alphabet, lm, train, tune, export, test, package.

Sources are the corpora of a language (`MODEL_LANGUAGE`) or files with transcripts (`TRAIN_FILES`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer import clips, experiment, languages, package
from trainer.export.contract import Contract
from trainer.export.scorer import weighed
from trainer.machine import check_gpu, cores
from trainer.mfcc import AS_PUBLISHED, Features
from trainer.readers import Utterance
from trainer.settings import Loaded
from trainer.settings_stt import SpeechSettings
from trainer.steps import Steps
from trainer.stt import augmentation, checkpoints, decoder, gathering, language_model, preparation, report, sources, tuning
from trainer.stt.client import LIBRARIES, fetch
from trainer.stt.decoder import Search
from trainer.stt.evaluation import Run, agreement, error_rates, hear, hear_clips, network_scores, read_all, search_all
from trainer.stt.gathering import Material
from trainer.stt.language_model import LanguageModelPlan
from trainer.stt.preparation import Clips, ImportPlan, Mels
from trainer.text import SPACE, Alphabet
from trainer.workers import Workers

log = logging.getLogger("trainer")
CLIENT_CLIPS = 150  # of each test set, heard by the clients themselves
Sets = dict[str, dict[str, Path]]  # use -> corpus -> stored set


@dataclass(frozen=True)
class Result:
    """What came out: the finished folder, or that of the stage that was asked for; figures of the test; whether anything had to be made."""

    folder: Path
    figures: dict[str, Any]
    made: bool


def train_speech(loaded: Loaded, steps: Steps, log_file: Path, until: str = "package") -> Result:
    """The line up to a stage. Raises the one-line errors of its parts, and Stopped."""
    s: SpeechSettings = loaded.settings
    check_gpu(s.keras_backend, "-e CUDA_VISIBLE_DEVICES=-1 trains on the processor (make an4: half an hour on two cores)")
    if s.scorer_path and not s.scorer_path.is_file():
        raise ValueError(f"SCORER_PATH: {s.scorer_path}: no such file")
    laid_over = augmentation.parse(s.augmentations(), s.features).sources()  # what is wrong with it is said before hours are spent
    start = checkpoints.read_start(s.load_checkpoint_dir, s.n_hidden) if s.load_checkpoint_dir else None
    if start is None and (s.epochs == 0 or s.drop_source_layers):
        raise ValueError("EPOCHS=0 and DROP_SOURCE_LAYERS need starting weights: give LOAD_CHECKPOINT_DIR")
    language = languages.read(s.model_language, s.data_dir) if s.model_language else None
    material = gathering.gather(loaded, steps, language, start.alphabet if start else None)
    if s.scorer_path:
        decoder.Scorer(s.scorer_path, material.alphabet)
    if until == "alphabet":
        return _alphabet(steps, material)
    if why := no_scorer(s, material):
        if until == "lm" or (not s.scorer_path and (until == "tune" or s.lm_text)):
            raise ValueError(why)
        log.info("no scorer is made: %s", why)
    with Workers(s.workers or cores()) as workers:
        if until not in ("import", "lm"):
            prove_export(steps, s, material.alphabet)
        sets = {use: {name: import_set(steps, workers, s, use, name, given, material.alphabet) for name, given in by_name.items()}
                for use, by_name in material.split.sets.items() if by_name}
        gathering.tell(material, sets, s.features, steps.work / "rejected.csv")
        if until == "import":
            return Result(steps.work, {}, made=steps.made)
        text = built = None
        if not why:
            text = write_lm_text(steps, s, material)
            built = build_language_model(steps, s, text)
            packed = pack_scorer(steps, s, material.alphabet, built, s.lm_alpha, s.lm_beta)  # what is wrong with it is said before training
            if until == "lm":
                return Result(packed, {}, made=steps.made)
        trained = train(steps, s, material.alphabet, sets, start, gathering.utterance_key(laid_over) if laid_over else "")
        scored = make_scorer(loaded, steps, workers, material.alphabet, built, trained, sets, asked=until == "tune")
        if until == "tune":
            return Result(scored or trained, {}, made=steps.made)
        exported = export(steps, s, material.alphabet, trained)
        if until == "export":
            return Result(exported, {}, made=steps.made)
        tested = test(steps, workers, s, material.alphabet, trained, exported, scored, sets)
        figures = dict(json.loads((tested / "figures.json").read_text(encoding="utf-8")))
    if until == "test":
        return Result(tested, figures, made=steps.made)
    return deliver(loaded, steps, material, sets, trained, text, scored, exported, tested, log_file)


def _alphabet(steps: Steps, material: Material) -> Result:
    labels = material.alphabet.labels

    def make(out: Path) -> None:
        material.alphabet.write(out / "alphabet.txt")

    found = steps.run("alphabet", make, {"labels": labels})
    return Result(found / "alphabet.txt", {}, made=steps.made)


def import_set(
    steps: Steps, workers: Workers, s: SpeechSettings, use: str, name: str, utterances: Sequence[Utterance], alphabet: Alphabet
) -> Path:
    """Log mels and transcripts of a set, with rejected.csv. Raises ValueError when nothing is left of a training set."""

    def make(out: Path) -> None:
        count = preparation.write_lists(out, utterances)
        plan = ImportPlan(str(out), alphabet, s.max_seconds, s.features)
        clips.build(out, preparation.import_chunk, plan, -(-count // preparation.CHUNK), f"importing {name} ({use})", workers)
        preparation.finish_lists(out)

    params = {"utterances": gathering.utterance_key(utterances), "labels": alphabet.labels, "max_seconds": s.max_seconds}
    params |= {"features": s.features} if s.features != AS_PUBLISHED else {}  # what older versions imported stays
    return steps.run(f"import_{use}_{name}", make, params, version=6)


def no_scorer(s: SpeechSettings, material: Material) -> str:
    """Why none is made of texts; empty: one is."""
    if s.scorer_path:
        return "SCORER_PATH is given"
    if not material.texts:
        return "LM_TEXT is empty: give a text, or `transcripts`"
    if not s.bytes_output_mode:
        return ""
    every = [u.transcript for use in ("train", "dev", "test") for u in material.split.of(use)]
    spaced = sum(SPACE in transcript for transcript in every)
    told = f"with BYTES_OUTPUT_MODE it would be of characters, without the space, and {spaced} of {len(every)} transcripts have spaces"
    if spaced * 2 > len(every):
        return f'{told} (with " " = "▁" under [replace] in a file VALIDATE_RULES, clients write ▁ for them)'
    if spaced:
        log.warning("scorer: %s; clients will leave them out", told)
    return ""


def write_lm_text(steps: Steps, s: SpeechSettings, material: Material) -> Path:
    """text.txt, what the language model learns from, and text.json, which tells what it was made of. Raises TextError, CorpusError."""
    trained_on = material.split.of("train")
    said = [u.transcript for use in ("dev", "test") for u in material.split.of(use)]
    if s.bytes_output_mode:
        held_out = {text for text in map(language_model.unspaced, said) if len(text) > 6}
    else:
        held_out = {text for text in said if not language_model.said_by_anybody(text)}

    def make(out: Path) -> None:
        counted = language_model.write_text(out / language_model.TEXT, material.texts, material.rules, held_out, trained_on,
                                            s.bytes_output_mode, material.classes, s.random_seed, material.times)
        (out / language_model.COUNTS).write_text(json.dumps(counted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    left_out = hashlib.sha256("\n".join(sorted(held_out)).encode()).hexdigest()[:16]
    key: dict[str, Any] = {"texts": material.text_keys, "rules": material.rules, "held_out": left_out}
    key |= {"of": "characters"} if s.bytes_output_mode else {}
    key |= {"classes": material.classes, "seed": s.random_seed, "variants": language_model.VARIANTS} if material.classes else {}
    key |= {"times": [material.times.get(text, 1) for text in material.texts]} if material.times else {}
    return steps.run("lm_text", make, key)


def build_language_model(steps: Steps, s: SpeechSettings, text: Path) -> Path:
    """lm.binary and vocabulary.txt. Raises ProgramError."""
    plan = LanguageModelPlan(s.lm_top_k, s.lm_order, s.lm_prune, s.lm_memory, s.lm_pointer_bits, s.lm_quantization_bits)

    def make(out: Path) -> None:
        language_model.build(text / language_model.TEXT, plan, out)

    return steps.run("language_model", make, {"plan": plan}, {"text": text}, version=4)


def make_scorer(
    loaded: Loaded, steps: Steps, workers: Workers, alphabet: Alphabet, built: Path | None, trained: Path, sets: Sets, asked: bool
) -> Path | None:
    """kenlm.scorer with the weights that were given, or those that are best on dev clips. A finished one keeps its own, unless others are
    given or searched for: `asked`, or by LM_EVALUATE_RANGE.
    """
    s: SpeechSettings = loaded.settings
    if not (s.scorer_path or built):
        return None
    weights = {"lm_alpha": s.lm_alpha, "lm_beta": s.lm_beta}
    given = [name for name in weights if loaded.sources[name] != "default"]
    if s.scorer_path:
        alpha, beta, _ = decoder.read_scorer(s.scorer_path, alphabet)
        weights = {"lm_alpha": alpha, "lm_beta": beta} | {name: weights[name] for name in given}

    def with_weights(alpha: float, beta: float) -> Path:
        if s.scorer_path:
            return weigh_scorer(steps, s.scorer_path, alpha, beta)
        assert built is not None
        return pack_scorer(steps, s, alphabet, built, alpha, beta)

    alpha, beta = weights.values()
    start = with_weights(alpha, beta)
    if given:
        log.info("%s given: not tuned", " and ".join(given).upper())
    if given or not s.lm_evaluate_range or (s.scorer_path and not asked and loaded.sources["lm_evaluate_range"] == "default"):
        return start
    scores = {name: score(steps, s, alphabet, trained, folder, f"dev_{name}", s.dev_batch_size) for name, folder in sets["dev"].items()}
    alpha_max, beta_max, trials = s.lm_evaluate_range.split(",")
    plan = tuning.Plan(float(alpha_max), float(beta_max), int(trials), alpha, beta,
                       Search(min(s.export_beam_width, tuning.BEAM_WIDTH), s.cutoff_top_n, s.cutoff_prob), s.random_seed,
                       "cer" if s.bytes_output_mode else "wer")

    def tune(out: Path) -> None:
        clips_of_dev = [(folder, preparation.transcripts(sets["dev"][name])) for name, folder in scores.items()]
        tuning.run(plan, clips_of_dev, start / language_model.PACKAGE, alphabet, workers, out)

    tuned = steps.run("tune", tune, {"plan": plan}, {"scorer": start, **{f"scores_{n}": p for n, p in scores.items()}}, version=2)
    best = json.loads((tuned / "best.json").read_text())
    return with_weights(best["alpha"], best["beta"])


def weigh_scorer(steps: Steps, finished: Path, alpha: float, beta: float) -> Path:
    """A finished kenlm.scorer with these weights."""

    def weigh(out: Path) -> None:
        (out / language_model.PACKAGE).write_bytes(weighed(finished.read_bytes(), alpha, beta))

    return steps.run("scorer", weigh, {"given": sources.checksum(finished, steps.work / "checksums.json"), "alpha": alpha, "beta": beta})


def pack_scorer(steps: Steps, s: SpeechSettings, alphabet: Alphabet, built: Path, alpha: float, beta: float) -> Path:
    """kenlm.scorer with these weights."""

    def pack(out: Path) -> None:
        language_model.pack(built, alphabet, alpha, beta, out)

    return steps.run("scorer", pack, {"labels": alphabet.labels, "alpha": alpha, "beta": beta}, {"language_model": built})


def load_sets(folders: Sequence[Path], alphabet: Alphabet, features: Features) -> Clips:
    """Stored sets as one for training."""
    sets = [Mels(folder) for folder in folders]
    said = [u for folder in folders for u in preparation.utterances_kept(folder)]
    return Clips(preparation.Joined(sets), [np.array(alphabet.encode(u.transcript), np.int32) for u in said], said, features)


def train(steps: Steps, s: SpeechSettings, alphabet: Alphabet, sets: Sets, start: checkpoints.Start | None, laid_over: str) -> Path:
    """The trained weights (weights.npz), by the names of the original checkpoints."""

    def make(out: Path) -> None:
        from trainer.stt import learning

        used = {use: load_sets(list(found.values()), alphabet, s.features) for use, found in sets.items() if use != "test"}
        learning.train(s, alphabet, {use: clips for use, clips in used.items() if len(clips.labels)}, spec_of(s, alphabet), start, out)

    params = {name: getattr(s, name) for name in TRAINING} | {"augmentations": s.augmentations(), "laid_over": laid_over}
    if start:
        params["start"] = start.key
    inputs = {f"{use}_{name}": path for use in ("train", "dev", "metrics") for name, path in sets.get(use, {}).items()}
    return steps.run("train_speech", make, params, inputs, version=8)


TRAINING = (
    "n_hidden", "layer_norm", "relu_clip", "epochs", "train_batch_size", "batch_seconds", "learning_rate", "learning_rate_schedule", "beta1", "beta2",
    "epsilon", "weight_decay", "dropout_rate", "dropout_rate2", "dropout_rate3", "dropout_rate6", "voices", "splice", "automatic_mixed_precision",
    "early_stop", "es_epochs", "es_min_delta", "reduce_lr_on_plateau", "plateau_epochs", "plateau_reduction", "average_best",
    "drop_source_layers", "random_seed", "optimizer", "consistency",
)


def spec_of(s: SpeechSettings, alphabet: Alphabet) -> Any:
    """The network that the settings ask for."""
    from trainer.models import deepspeech

    rates = [s.dropout_rate, *(s.dropout_rate if rate < 0 else rate for rate in (s.dropout_rate2, s.dropout_rate3, s.dropout_rate6))]
    return deepspeech.Spec(s.n_hidden, len(alphabet.labels) + 1, s.relu_clip, (rates[0], rates[1], rates[2], rates[3]), s.layer_norm)


def contract_of(s: SpeechSettings, alphabet: Alphabet) -> Contract:
    """What exported files tell clients."""
    return Contract(alphabet, s.n_hidden, s.export_language or s.model_language, s.n_steps, s.export_beam_width, s.features,
                    s.relu_clip, s.layer_norm)


def write_exports(weights: dict[str, np.ndarray], contract: Contract, name: str, out: Path) -> None:
    """All files of a model."""
    from trainer.export import pbmm, stt_tflite

    pbmm.write(weights, contract, out, name)
    stt_tflite.write(weights, contract, out / f"{name}.tflite", quantized=True)
    stt_tflite.write(weights, contract, out / f"{name}_float.tflite", quantized=False)
    contract.alphabet.write(out / "alphabet.txt")


def prove_export(steps: Steps, s: SpeechSettings, alphabet: Alphabet) -> None:
    """An untrained model through the whole export and into the clients' libraries, before hours are spent."""

    def make(out: Path) -> None:
        from trainer.models import deepspeech

        write_exports(deepspeech.weights_of(deepspeech.build(spec_of(s, alphabet))), contract_of(s, alphabet), "output_graph", out)
        for library, (_, file) in zip(fetch(s.data_dir / "tools" / "clients").values(), LIBRARIES.values(), strict=True):
            hear_clips(Run(library, out / file), [])
        for path in out.glob("output_graph*"):
            path.unlink()

    steps.run("prove_speech_export", make, {"contract": contract_of(s, alphabet)}, version=2, shared=True)


def try_out(home: Path) -> list[str]:
    """One training step and one export of a tiny network, loaded in the clients' libraries; lines to print. For `trainer check`."""
    from trainer.models import deepspeech
    from trainer.stt.learning import ctc
    from trainer.training import averaged_adamw

    alphabet = Alphabet(tuple(" ab"))
    model = deepspeech.build(deepspeech.Spec(16, 4))
    model.compile(averaged_adamw(1e-3, 10, 0.0), ctc, jit_compile=False)
    loss = model.train_on_batch(np.zeros((2, 48, 26), np.float32), np.array([[40, 2, 0, 1, 2]] * 2, np.int32))
    lines = [f"Training step: works (loss {float(loss):.1f})"]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        write_exports(deepspeech.weights_of(model), Contract(alphabet, 16), "output_graph", out)
        for client, library in fetch(home).items():
            hear_clips(Run(library, out / LIBRARIES[client][1]), [np.zeros(16000, np.int16)])
            lines.append(f"Export, heard in {client}: works")
    return lines


def export(steps: Steps, s: SpeechSettings, alphabet: Alphabet, trained: Path) -> Path:
    """.pb, .pbmm, .tflite (int8) and _float.tflite, alphabet.txt, and a checkpoint for others to start from."""

    def make(out: Path) -> None:
        with np.load(trained / "weights.npz") as saved:
            weights = dict(saved)
        write_exports(weights, contract_of(s, alphabet), s.export_file_name, out)
        checkpoints.write(weights, alphabet, out / "checkpoint")

    params = {"contract": contract_of(s, alphabet), "name": s.export_file_name}
    return steps.run("export_speech", make, params, {"trained": trained}, version=2)


def score(steps: Steps, s: SpeechSettings, alphabet: Alphabet, trained: Path, stored: Path, name: str, batch_size: int) -> Path:
    """Log probabilities of the network over a set, for the decoder."""

    def make(out: Path) -> None:
        network_scores(trained / "weights.npz", spec_of(s, alphabet), stored, batch_size, out)

    return steps.run(f"scores_{name}", make, {"relu_clip": s.relu_clip, "layer_norm": s.layer_norm}, {"trained": trained, "set": stored})


def test(
    steps: Steps, workers: Workers, s: SpeechSettings, alphabet: Alphabet, trained: Path, exported: Path, scored: Path | None, sets: Sets
) -> Path:
    """figures.json: error rates on every test set (dev sets where there is none) of our decoder, and of the exported files in the clients'
    own libraries on its first clips. Raises ClientError when a library refuses a file.
    """
    there = {use: {name: folder for name, folder in found.items() if len(Mels(folder))} for use, found in sets.items()}
    use = "test" if there.get("test") else "dev"
    size = s.test_batch_size if use == "test" else s.dev_batch_size
    scores = {name: score(steps, s, alphabet, trained, folder, f"{use}_{name}", size) for name, folder in there[use].items()}
    search = Search(s.export_beam_width, s.cutoff_top_n, s.cutoff_prob)
    scorer = scored / language_model.PACKAGE if scored else None

    def make(out: Path) -> None:
        libraries = fetch(s.data_dir / "tools" / "clients")
        found: dict[str, Any] = {}
        for name, folder in scores.items():
            kept = preparation.utterances_kept(sets[use][name])
            said = [u.transcript for u in kept]
            label = use if name == use else f"{use} {name}"
            found[label] = {}
            heard: dict[bool, list[str]] = {}
            for with_scorer in [False, True] if scorer else [False]:
                heard[with_scorer] = search_all(folder, alphabet, search, scorer if with_scorer else None, workers, f"decoding ({label})")
                found[label]["with scorer" if with_scorer else "without scorer"] = error_rates(said, heard[with_scorer], s.report_count)
            samples = read_all(s.audio_sample_rate, kept[:CLIENT_CLIPS], workers, f"reading ({label})")
            for client, (_, file) in LIBRARIES.items():
                run = Run(libraries[client], exported / file.replace("output_graph", s.export_file_name))
                for with_scorer, mine in heard.items():
                    told = hear(replace(run, scorer=scorer) if with_scorer else run, samples, workers, f"{client} ({label})")
                    texts = [h.text.strip() for h in told]  # as ours: untrained networks begin and end with spaces
                    rates = error_rates(said[:CLIENT_CLIPS], texts, s.report_count) | {"agreement": agreement(texts, mine)}
                    found[label][f"{client} with scorer" if with_scorer else client] = rates
        (out / "figures.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    inputs = {"exported": exported, **{f"scores_{n}": p for n, p in scores.items()}} | ({"scorer": scored} if scored else {})
    return steps.run("test_speech", make, {"search": search, "report_count": s.report_count}, inputs, version=4)


def deliver(
    loaded: Loaded, steps: Steps, material: Material, sets: Sets, trained: Path, text: Path | None, scored: Path | None, exported: Path,
    tested: Path, log_file: Path,
) -> Result:
    """The finished folder: model, scorer, model card, report, and what was set aside."""
    s: SpeechSettings = loaded.settings
    figures = dict(json.loads((tested / "figures.json").read_text(encoding="utf-8")))
    described = {name: getattr(s, name) for name in type(s).model_fields if name.startswith("export_")}

    def make(out: Path) -> None:
        parts = report.Parts(s, material.titles(sets), figures, sets, trained, scored, exported, material, text)
        report.write_card(parts, out / report.card_name(s))
        report.write_page(parts, out / "report.html")
        preparation.join_rejected([f for found in sets.values() for f in found.values()], material.rejected_rows(), out / "rejected.csv")
        if s.export_zip:
            report.write_zip(parts, out)

    inputs = {"exported": exported, "tested": tested, "trained": trained, **{f"{use}_{n}": p for use, f in sets.items() for n, p in f.items()}}
    inputs |= ({"scorer": scored} if scored else {}) | ({"lm_text": text} if text else {})
    card = steps.run("card", make, {"described": described, "rejected": material.rejected_key()}, inputs, version=2)

    def files() -> dict[str, Path]:
        experiment.write(card / "experiment.json", experiment.record(loaded, steps, figures=figures))
        found = {p.name: p for place in (exported, card) for p in place.iterdir() if p.name not in ("step.json", "used", package.DELIVERED)}
        found |= {"logs": trained / "logs"} if (trained / "logs").exists() else {}
        found |= {language_model.PACKAGE: scored / language_model.PACKAGE} if scored else {}
        return found | {"test.json": tested / "figures.json", "training.log": log_file}

    kind = s.export_language or s.model_language or "model"
    folder, made = package.deliver(card, s.data_dir / "output", f"stt-{kind}-{s.n_hidden}-{s.epochs}", files)
    return Result(folder, figures, made=made)
