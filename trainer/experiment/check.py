"""`trainer check`, experiments: the libraries that features and exports need."""

from collections.abc import Iterator
from importlib.util import find_spec

from trainer import models


def check() -> Iterator[str]:
    """A line about the zoo; none outside its image."""
    if find_spec("kaldi_native_fbank") is not None:
        yield f"Experiments: networks {', '.join(models.SPEECH)}"
