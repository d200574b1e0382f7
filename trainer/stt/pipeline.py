"""The line from transcribed clips to a speech-to-text model: import, alphabet, train, test, export, package, top to bottom."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from trainer import clips, experiment, package
from trainer.export.contract import Contract
from trainer.machine import check_gpu, cores
from trainer.readers import Utterance, common_voice, table
from trainer.settings import Loaded, SpeechSettings
from trainer.steps import Steps, fingerprint
from trainer.stt import checkpoints, language_model, preparation
from trainer.stt.client import LIBRARIES, fetch
from trainer.stt.evaluation import Run, error_rates, hear
from trainer.stt.language_model import LanguageModelPlan
from trainer.stt.preparation import ImportPlan, Mels
from trainer.text import Alphabet, TextError, alphabet_of, normal, read_alphabet
from trainer.workers import Workers

log = logging.getLogger("trainer")
ROUND_SECONDS_OF_AUDIO = 3600  # the dev set is heard after about so much audio, at least once an epoch


@dataclass(frozen=True)
class Sets:
    """Utterances by use."""

    train: list[Utterance]
    dev: list[Utterance]
    test: list[Utterance]


@dataclass(frozen=True)
class Result:
    """Where the files are, what the test said, and whether anything had to be made."""

    folder: Path
    figures: dict[str, Any]
    made: bool


def read_sets(s: SpeechSettings) -> Sets:
    """All CSV files, and the official splits of Common Voice folders. Without dev files a tenth of the speakers (of the clips,
    where speakers are unknown) is held out of the training set: the same whatever the order. Raises ReaderError, ValueError."""
    train, dev, test = (_read(files, split) for files, split in ((s.train_files, "train"), (s.dev_files, "dev"), (s.test_files, "test")))
    if not train:
        raise ValueError("TRAIN_FILES is empty: give at least one CSV file with wav_filename and transcript")
    if not dev:
        held = [int(hashlib.sha256((u.speaker or u.path).encode()).hexdigest(), 16) % 10 == 0 for u in train]
        dev = [u for u, out in zip(train, held, strict=True) if out] or train[::10]
        chosen = set(map(id, dev))
        train = [u for u in train if id(u) not in chosen]
        log.info("no DEV_FILES: %d of %d clips (a tenth of the speakers) are held out of training", len(dev), len(dev) + len(train))
    _tell_leaks(train, dev, test)
    return Sets(train, dev, test)


def _read(files: str, split: str) -> list[Utterance]:
    paths = [Path(name.strip()) for name in files.split(",") if name.strip()]
    return [u for path in paths for u in (common_voice.read(path, split) if path.is_dir() else table.read(path))]


def _tell_leaks(train: Sequence[Utterance], dev: Sequence[Utterance], test: Sequence[Utterance]) -> None:
    known = {u.speaker for u in train if u.speaker}
    for name, others in (("dev", dev), ("test", test)):
        both = known & {u.speaker for u in others}
        if both:
            log.warning("%s: %d of its speakers are also trained on: its error rate will flatter", name, len(both))


def utterance_key(utterances: Sequence[Utterance]) -> str:
    """What was said, in which files, of what size."""
    total = hashlib.sha256()
    for u in utterances:
        try:
            size = os.stat(u.path).st_size
        except OSError:
            size = -1
        total.update(f"{u.path}\0{size}\0{u.transcript}\0{u.speaker}\n".encode())
    return total.hexdigest()[:16]


def import_set(steps: Steps, workers: Workers, name: str, utterances: Sequence[Utterance], alphabet: Alphabet, max_seconds: float) -> Path:
    """MFCCs and transcripts of a set, with rejected.csv. Raises ValueError when nothing is left."""

    def make(out: Path) -> None:
        count = preparation.write_lists(out, utterances)
        plan = ImportPlan(str(out), alphabet.labels, max_seconds)
        clips.build(out, preparation.import_chunk, plan, -(-count // preparation.CHUNK), f"importing ({name})", workers)
        preparation.finish_lists(out)

    params = {"utterances": utterance_key(utterances), "labels": alphabet.labels, "max_seconds": max_seconds}
    out = steps.run(f"import_{name}", make, params, version=2)
    kept = Mels(out)
    reasons = preparation.reasons(out)
    log.info("%s: %d of %d clips, %.2f h", name, len(kept), len(utterances), float(kept.index["length"].sum()) / 180_000)
    for reason, many in reasons.most_common():
        log.warning("%s: %d set aside: %s (%s)", name, many, reason, out / "rejected.csv")
    if not len(kept):
        raise ValueError(f"{name}: none of {len(utterances)} clips can be used; the reasons are above")
    return out


def load_set(folder: Path, alphabet: Alphabet) -> Any:
    """A stored set for training."""
    from trainer.stt.learning import Clips

    frames = Mels(folder)
    said = preparation.utterances(folder)
    labels = [np.array(alphabet.encode(normal(said[g].transcript)), np.int32) for g in frames.index["group"]]
    return Clips(frames, labels)


def train(steps: Steps, s: SpeechSettings, alphabet: Alphabet, sets: dict[str, Path]) -> Path:
    """The trained weights (weights.npz), by the names of the original checkpoints."""

    def make(out: Path) -> None:
        import keras

        from trainer.models import deepspeech
        from trainer.stt.learning import Batches, Learning, batch_of, ctc
        from trainer.training import Loop, cosine_adamw

        keras.utils.set_random_seed(s.seed)
        heard, dev = load_set(sets["train"], alphabet), load_set(sets["dev"], alphabet)
        model = deepspeech.build(spec_of(s, alphabet))
        if s.load_checkpoint_dir:
            old = read_alphabet(checkpoints.read_alphabet_beside(s.load_checkpoint_dir))
            given = checkpoints.read(s.load_checkpoint_dir)
            weights, told = checkpoints.transfer(deepspeech.weights_of(model), given, old, alphabet, s.drop_source_layers)
            for kept in told:
                log.info("  %-75s %s", kept.name, kept.fate)
            deepspeech.load_weights(model, weights)
        if not s.epochs:
            np.savez(out / "weights.npz", **deepspeech.weights_of(model))
            return
        batches = Batches(heard, s.train_batch_size, s.seed)
        total = s.epochs * batches.per_epoch
        seconds = float(heard.frames.index["length"].sum()) / 50
        learning = Learning(dev, alphabet, s.train_batch_size, out)

        def batch(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return batch_of(heard, batches.numbers(step), heard.longest, np.random.default_rng([s.seed, step]), s.voices)

        every = batches.per_epoch * max(1, round(ROUND_SECONDS_OF_AUDIO * 2 / seconds))
        optimizer = cosine_adamw(total, s.learning_rate, s.weight_decay)
        Loop(model, batch, total, every, out, learning, optimizer, ctc, jit_compile=False).run()
        for weight, value in zip(model.weights, learning.best, strict=True):
            weight.assign(value)
        np.savez(out / "weights.npz", **deepspeech.weights_of(model))
        (out / "checkpoint.npz").unlink()

    told = ("n_hidden", "epochs", "drop_source_layers",
            "train_batch_size", "learning_rate", "weight_decay", "dropout_rate", "voices", "relu_clip", "seed")
    params = {name: getattr(s, name) for name in told}
    if s.load_checkpoint_dir:
        params["start"] = fingerprint(s.load_checkpoint_dir)
    return steps.run("train_speech", make, params, {k: sets[k] for k in ("train", "dev")})


def spec_of(s: SpeechSettings, alphabet: Alphabet) -> Any:
    """The network that the settings ask for."""
    from trainer.models import deepspeech

    return deepspeech.Spec(s.n_hidden, len(alphabet.labels) + 1, s.relu_clip, (s.dropout_rate,) * 4)


def contract_of(s: SpeechSettings, alphabet: Alphabet) -> Contract:
    """What exported files tell clients."""
    return Contract(alphabet, s.n_hidden, s.export_language, beam_width=s.export_beam_width, relu_clip=s.relu_clip)


def write_exports(weights: dict[str, np.ndarray], contract: Contract, out: Path) -> None:
    """All files of a model."""
    from trainer.export import pbmm, stt_tflite

    pbmm.write(weights, contract, out)
    stt_tflite.write(weights, contract, out / "output_graph.tflite", quantized=True)
    stt_tflite.write(weights, contract, out / "output_graph_float.tflite", quantized=False)
    contract.alphabet.write(out / "alphabet.txt")


def prove_export(steps: Steps, s: SpeechSettings, alphabet: Alphabet) -> None:
    """An untrained model through the whole export, before hours are spent."""

    def make(out: Path) -> None:
        from trainer.models import deepspeech

        write_exports(deepspeech.weights_of(deepspeech.build(spec_of(s, alphabet))), contract_of(s, alphabet), out)
        for path in out.glob("output_graph*"):
            path.unlink()

    steps.run("prove_speech_export", make, {"contract": contract_of(s, alphabet)}, shared=True)


def export(steps: Steps, s: SpeechSettings, alphabet: Alphabet, trained: Path) -> Path:
    """output_graph.pb, .pbmm, .tflite (int8) and _float.tflite, alphabet.txt."""

    def make(out: Path) -> None:
        with np.load(trained / "weights.npz") as saved:
            write_exports(dict(saved), contract_of(s, alphabet), out)

    return steps.run("export_speech", make, {"contract": contract_of(s, alphabet)}, {"trained": trained})


def scorer(steps: Steps, s: SpeechSettings, alphabet: Alphabet, train: Sequence[Utterance]) -> Path | None:
    """kenlm.scorer, if a text is given. Raises ValueError, ProgramError and TextError."""
    if not s.lm_text:
        return None
    if s.lm_text == "transcripts":
        told = hashlib.sha256("\n".join(u.transcript for u in train).encode()).hexdigest()[:16]
    elif Path(s.lm_text).is_file():
        with Path(s.lm_text).open("rb") as file:
            told = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    else:
        raise ValueError(f"LM_TEXT: {s.lm_text}: no such file")
    plan = LanguageModelPlan(s.lm_top_k, s.lm_order, s.lm_prune, s.lm_memory)

    def make(out: Path) -> None:
        text = out / "text.txt"
        with text.open("w", encoding="utf-8") as file:
            if s.lm_text == "transcripts":
                file.writelines(f"{normal(u.transcript)}\n" for u in train if normal(u.transcript))
            else:
                with Path(s.lm_text).open(encoding="utf-8-sig") as lines:
                    file.writelines(f"{sentence}\n" for line in lines if (sentence := normal(line)))
        language_model.build(text, plan, out)

    built = steps.run("language_model", make, {"text": told, "plan": plan})

    def pack(out: Path) -> None:
        language_model.pack(built, alphabet, s.lm_alpha, s.lm_beta, out)

    return steps.run("scorer", pack, {"labels": alphabet.labels, "alpha": s.lm_alpha, "beta": s.lm_beta}, {"language_model": built})


def test(
    steps: Steps, workers: Workers, s: SpeechSettings, exported: Path, scored: Path | None, sets: dict[str, Path]
) -> dict[str, Any]:
    """Error rates of the exported files in the clients' own libraries, on every set but the training set, without and with
    the scorer. Raises ClientError when a library refuses a file.
    """

    def make(out: Path) -> None:
        libraries = fetch(s.data_dir / "tools" / "clients")
        found: dict[str, Any] = {}
        for name, folder in sets.items():
            if name == "train":
                continue
            kept = Mels(folder).index["group"]
            utterances = preparation.utterances(folder)
            paths, said = [utterances[g].path for g in kept], [normal(utterances[g].transcript) for g in kept]
            found[name] = {}
            runs = {client: Run(libraries[client], exported / file) for client, (_, file) in LIBRARIES.items()}
            if scored:
                runs |= {f"{client} with scorer": replace(run, scorer=scored / "kenlm.scorer") for client, run in runs.items()}
            for client, run in runs.items():
                heard = hear(run, paths, workers, f"testing ({name}, {client})")
                found[name][client] = error_rates(said, [h.text for h in heard])
        (out / "figures.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    inputs = {"exported": exported, **{k: v for k, v in sets.items() if k != "train"}} | ({"scorer": scored} if scored else {})
    out = steps.run("test_speech", make, {}, inputs)
    return dict(json.loads((out / "figures.json").read_text(encoding="utf-8")))


def train_speech(loaded: Loaded, steps: Steps, log_file: Path) -> Result:
    """The whole line. Raises the one-line errors of its parts, and Stopped."""
    s: SpeechSettings = loaded.settings
    check_gpu(s.keras_backend)
    chosen = read_sets(s)
    by_use = {name: getattr(chosen, name) for name in ("train", "dev", "test") if getattr(chosen, name)}
    alphabet = read_alphabet(s.alphabet_config_path) if s.alphabet_config_path else alphabet_of(normal(u.transcript) for u in chosen.train)
    if len(alphabet.labels) < 2:
        raise TextError("the transcripts hold no characters but the space")
    prove_export(steps, s, alphabet)
    with Workers(s.workers or cores()) as workers:
        sets = {name: import_set(steps, workers, name, given, alphabet, s.max_seconds) for name, given in by_use.items()}
        scored = scorer(steps, s, alphabet, chosen.train)
        trained = train(steps, s, alphabet, sets)
        exported = export(steps, s, alphabet, trained)
        figures = test(steps, workers, s, exported, scored, sets)
    pointer = (scored or exported) / f"delivered_{exported.name}"
    if pointer.exists() and Path(pointer.read_text()).exists():
        return Result(Path(pointer.read_text()), figures, made=False)
    record = experiment.record(loaded, steps, figures=figures)
    experiment.write(exported / "experiment.json", record)
    stamp = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    folder = s.data_dir / "output" / f"{stamp}-stt-{s.export_language or 'model'}-{s.n_hidden}-{s.epochs}"
    names = ("output_graph.pb", "output_graph.pbmm", "output_graph.tflite", "output_graph_float.tflite", "alphabet.txt", "experiment.json")
    more = {f"rejected_{name}.csv": path / "rejected.csv" for name, path in sets.items()}
    if (trained / "logs").exists():
        more["logs"] = trained / "logs"
    if scored:
        more["kenlm.scorer"] = scored / "kenlm.scorer"
    package.deliver({**{n: exported / n for n in names}, **more, "training.log": log_file}, folder)
    pointer.write_text(str(folder))
    return Result(folder, figures, made=True)
