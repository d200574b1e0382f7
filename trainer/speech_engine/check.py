"""`trainer check`, speech engines: grammars, PocketSphinx, pronunciations."""

from collections.abc import Iterator
from importlib.util import find_spec

from trainer.spoken_code import languages


def check() -> Iterator[str]:
    """Lines about the parts of this product; none outside its image. Raises UserError."""
    if find_spec("pocketsphinx") is None:
        return
    from trainer.speech_engine.acoustics.pocketsphinx import acoustics
    from trainer.speech_engine.spoken import voices

    grammars = [one.name for one in languages.table().values() if one.module]
    for name in grammars:
        languages.parser(name)
        languages.query(name)
    yield f"Grammars: {', '.join(grammars)}"
    yield f"PocketSphinx: {len(acoustics().dictionary)} words in its dictionary"
    programs = sorted({program for program, _ in voices()})
    yield f"Voices to measure with: {', '.join(programs) or 'none'}"
