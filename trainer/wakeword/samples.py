"""The phrase as each engine says it, to listen to before training."""

import time
from pathlib import Path

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, read, write_wav
from trainer.errors import UserError
from trainer.log import log
from trainer.wakeword import phrases, synthesis
from trainer.wakeword.engines import (
    draw_voice,
    espeak,
    flite,
    kokoro,
    piper,
    those_that_agree,
    usable_engines,
)


def write(text: str, language: str, engine: str, count: int, data_dir: Path) -> list[Path]:
    """`count` clips of each engine in work/test_sample, logged with voice and phonemes.

    The first engine's are <phrase>.wav, those of others <phrase>_<engine>.wav. Neural voices speak
    where they are there, or asked for by name (then they are fetched). Raises UserError.
    """
    phrase = phrases.clean(text)
    (spoken,) = phrases.several([phrase], language)
    phrases.phonemes(spoken, language)
    folder = data_dir / "work" / "test_sample"
    folder.mkdir(parents=True, exist_ok=True)
    plural = "" if count == 1 else "s"
    log.info(f"===== Generating {count} sample{plural} of '{phrase}' by each engine =====")
    if spoken != phrase:
        log.info(f"spoken as '{spoken}'")
    made: list[Path] = []
    seed = time.time_ns() % 1000
    for name in those_that_agree(usable_engines(language, engine), spoken):
        rng = np.random.default_rng([seed, len(made)])
        sounds = flite.phonemes(spoken) if name == "flite" else espeak.phonemes(spoken, language)
        log.info(f"{name} reads [{' '.join(sounds)}]")
        clips = []
        for _ in range(count):
            voice = draw_voice(rng, language, (name,))
            clips.append((voice.speak(spoken), f"voice {voice.name}"))
        made += _write(clips, name, phrase, language, folder, first=not made)
    tools, wanted = data_dir / "tools", {name.strip() for name in engine.split(",")}
    voices = _neural_voices(spoken, language, wanted, tools)
    if voices:
        log.info(f"kokoro reads [{kokoro.phonemes(spoken, espeak.accents(language)[0])}]")
        rng = np.random.default_rng([seed, len(made)])
        clips = []
        for _ in range(count):
            speaker = voices.draw(rng, language)
            clips.append((voices.speak(spoken, speaker), f"voice {speaker.name}"))
        made += _write(clips, "kokoro", phrase, language, folder, first=not made)
    model = piper.find(tools, language) if {"auto", "piper"} & wanted else None
    if model:
        log.info(f"piper reads [{' '.join(espeak.phonemes(spoken, language))}]")
        clips = _of_piper(model, spoken, count, seed, data_dir, folder / "piper")
        made += _write(clips, "piper", phrase, language, folder, first=not made)
    return made


def _neural_voices(
    spoken: str, language: str, wanted: set[str], tools: Path
) -> kokoro.Kokoro | None:
    """The neural voices, if they are to speak. Raises UserError where they cannot, but are asked
    for by name."""
    if "kokoro" in wanted:
        kokoro.check(spoken, language)
        return kokoro.Kokoro(kokoro.fetch(tools))
    folder = kokoro.find(tools) if "auto" in wanted else None
    if folder is None:
        return None
    try:
        kokoro.check(spoken, language)
    except UserError as error:
        log.info(f"kokoro is left out: {error}")
        return None
    return kokoro.Kokoro(folder)


def _write(
    clips: list[tuple[Audio, str]],
    engine: str,
    phrase: str,
    language: str,
    folder: Path,
    first: bool,
) -> list[Path]:
    """The clips without the silence around them."""
    made = []
    for number, (samples, voice) in enumerate(clips, 1):
        clip = synthesis.trimmed(samples, synthesis.LONGEST_SPEECH_SECONDS)
        if clip is None:
            raise UserError(f"engine {engine}: no sound for '{phrase}' by {voice}")
        stem = phrases.slug(phrase, language) + ("" if first else f"_{engine}")
        path = folder / (f"{stem}_{number}.wav" if len(clips) > 1 else f"{stem}.wav")
        write_wav(path, clip)
        seconds = len(clip) / SAMPLE_RATE_HZ
        log.info(f"Sample available at {path} ({engine}, {voice}, {seconds:.1f} s)")
        made.append(path)
    return made


def _of_piper(
    model: piper.Models, spoken: str, count: int, seed: int, data_dir: Path, folder: Path
) -> list[tuple[Audio, str]]:
    """Clips of Piper's model."""
    texts = [(number, spoken) for number in range(count)]
    piper.render(piper.environment(data_dir, model), model, texts, folder, count, seed)
    found = []
    for number, _ in texts:
        path = folder / f"{number:07d}.wav"
        found.append((read(path), "a drawn voice"))
        path.unlink()
    return found
