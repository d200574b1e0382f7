"""What a wake word is made from: phrases, words for other speech, engines, recordings."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer.audio.speakers import Encoder
from trainer.errors import UserError
from trainer.log import log
from trainer.wakeword import captured, confusables, diversity, phrases, recordings, synthesis
from trainer.wakeword.confusables import Words
from trainer.wakeword.engines import (
    IN_PROCESS,
    kokoro,
    piper,
    those_that_agree,
    usable_engines,
    usual_voice,
)
from trainer.wakeword.engines.programs import PROGRAMS
from trainer.wakeword.settings import WakeWordSettings


@dataclass(frozen=True)
class Given:
    """One phrase and its settings. Raises UserError from any property."""

    settings: WakeWordSettings
    phrase: str

    def check(self) -> None:
        """Find what is wrong with the phrases and the folders before hours are spent."""
        s = self.settings
        for phrase in self.phrases:
            phrases.phonemes(phrase, s.language)
            synthesis.check_length(phrase, [usual_voice(name, s.language) for name in self.engines])
        confusables.check(self.words)
        self.negatives  # noqa: B018  (checks them)
        recordings.check_no_contradiction(self.files["personal"], self.files["negative"])
        self.piper  # noqa: B018  (looks for its model)
        self.neural, self.encoder  # noqa: B018  (fetches them)

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """The phrases that wake, as all engines get them."""
        s = self.settings
        return phrases.several([self.phrase, *s.also.split(";")], s.language)

    @cached_property
    def negatives(self) -> tuple[str, ...]:
        """The phrases that must not wake."""
        s = self.settings
        found = phrases.several(s.negative_phrases.split(";"), s.language)
        if both := set(found) & set(self.phrases):
            raise UserError(f"NEGATIVE_PHRASES: '{both.pop()}' is also a phrase that wakes")
        return found

    @cached_property
    def words(self) -> Words:
        """Of other speech."""
        return Words(self.settings.language, str(self.settings.speech_text or ""))

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """Engines that read all phrases alike."""
        engines = usable_engines(self.settings.language, self.settings.engine)
        for phrase in self.phrases:
            engines = those_that_agree(engines, phrase)
        return engines

    @cached_property
    def piper(self) -> piper.Models | None:
        """Piper's models for the language, if there are any and the engines asked for allow it."""
        s = self.settings
        if not self._asked_for & {"auto", "piper"}:
            return None
        tools = s.data_dir / "tools"
        found = piper.find(tools, s.language)
        if found is None and "piper" in self._asked_for:
            raise UserError(
                f"no Piper voice for '{s.language}' under {tools}: run setup_voices "
                f"--language={s.language}, or put a .pt or .onnx there, with its .json"
            )
        return found

    @property
    def _asked_for(self) -> set[str]:
        return {name.strip() for name in self.settings.engine.split(",")}

    @cached_property
    def neural(self) -> Path | None:
        """Folder of the neural voices; None where the engines asked for, the language or the
        phrase exclude them, or where they cannot be fetched and were not asked for by name."""
        s, named = self.settings, "kokoro" in self._asked_for
        if not s.neural_samples or not (named or "auto" in self._asked_for):
            return None
        try:
            for phrase in self.phrases:
                kokoro.check(phrase, s.language)
            return kokoro.fetch(s.data_dir / "tools")
        except UserError as error:
            if named:
                raise
            log.warning(f"the run goes on without neural voices: {error}")
            return None

    @property
    def voices(self) -> list[tuple[str, str]]:
        """(who speaks, the licence of the voice), for the report."""
        found = [(name, IN_PROCESS.get(name) or PROGRAMS[name].licence) for name in self.engines]
        if self.neural:
            found.append((kokoro.title(), kokoro.licence()))
        for one in self.piper.models if self.piper else ():
            found.append((f"piper, {one.path.name}", one.licence or "not known: ask its publisher"))
        return found

    @cached_property
    def encoder(self) -> Encoder | None:
        """Speaker encoder, by which the diversity of voices is measured; None where it cannot be
        fetched, or neural voices are not wanted and it is not there."""
        tools = self.settings.data_dir / "tools"
        try:
            path = (diversity.fetch if self.settings.neural_samples else diversity.find)(tools)
            return diversity.opened(path) if path else None
        except UserError as error:
            log.warning(f"the diversity of voices is not measured: {error}")
            return None

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The user's recordings by kind, those captured by a device included."""
        s = self.settings
        given = {"personal": s.personal_samples, "negative": s.negative_samples}
        found = {kind: recordings.files_of(place) if place else [] for kind, place in given.items()}
        if s.captured:
            right, wrong = captured.read(s.captured)
            found = {
                "personal": [*found["personal"], *right],
                "negative": [*found["negative"], *wrong],
            }
        return found
