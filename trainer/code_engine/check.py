"""`trainer check`, code engines: the library that runs them."""

from collections.abc import Iterator
from importlib.util import find_spec


def check() -> Iterator[str]:
    """Lines about the parts of this product; none outside its image."""
    if find_spec("ctranslate2") is None:
        return
    import ctranslate2

    kinds = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
    yield f"CTranslate2 {ctranslate2.__version__}: {kinds}"
