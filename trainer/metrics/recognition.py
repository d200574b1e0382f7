"""Metrics of recognised texts, as objects that an experiment can name, write and compare."""

from collections.abc import Sequence
from typing import ClassVar

from trainer.metrics.error_rate import edit_counts, error_rate
from trainer.serialization import serializable


class Metric:
    """Base: a figure of references and hypotheses, where lower is better unless it says so."""

    __serializable_base__: ClassVar[bool] = True
    name: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = False

    def __call__(self, references: Sequence[str], hypotheses: Sequence[str]) -> float:
        """The figure of all clips together."""
        raise NotImplementedError


@serializable
class WordErrorRate(Metric):
    """Edits of all words by the words of all references: the corpus WER, 0.12 for 12 %."""

    name: ClassVar[str] = "wer"

    def __call__(self, references: Sequence[str], hypotheses: Sequence[str]) -> float:
        return error_rate(edit_counts(references, hypotheses)[0])


@serializable
class CharacterErrorRate(Metric):
    """The same of characters."""

    name: ClassVar[str] = "cer"

    def __call__(self, references: Sequence[str], hypotheses: Sequence[str]) -> float:
        return error_rate(edit_counts(references, hypotheses)[1])


@serializable
class MeanWordErrorRate(Metric):
    """The mean of the clips' error rates (Sonosco's figure): short clips count as long ones."""

    name: ClassVar[str] = "mean_wer"

    def __call__(self, references: Sequence[str], hypotheses: Sequence[str]) -> float:
        counts = edit_counts(references, hypotheses)[0]
        return float((counts[:, 0] / counts[:, 1]).mean())


@serializable
class ExactMatch(Metric):
    """Share of clips without an error."""

    name: ClassVar[str] = "exact"
    higher_is_better: ClassVar[bool] = True

    def __call__(self, references: Sequence[str], hypotheses: Sequence[str]) -> float:
        same = sum(a == b for a, b in zip(references, hypotheses, strict=True))
        return same / max(len(references), 1)
