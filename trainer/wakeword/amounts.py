"""How many clips and features of each kind a run makes, from its settings."""

from typing import Any, NamedTuple

from trainer.wakeword.settings import WakeWordSettings

SECONDS_PER_SENTENCE = 1.8  # of synthesized speech, to convert hours to clips
SECONDS_PER_NEGATIVE = 6.4


def synthesized(s: WakeWordSettings) -> dict[str, int]:
    """Clips by kind, of the engines that synthesize hundreds in a second."""
    sentences = int(s.speech_hours * 3600 / SECONDS_PER_SENTENCE)
    return {
        "phrase": s.samples,
        "confusable": max(200, s.samples // 2),
        "speech": max(100, sentences),
    }


def neural(s: WakeWordSettings) -> dict[str, int]:
    """Clips by kind, of neural voices."""
    many = s.neural_samples
    return {"phrase": many, "confusable": -(-many // 2), "speech": -(-many // 4)}


class Features(NamedTuple):
    """Features of one source: how they are made (preparation.FeaturePlan), and of which clips."""

    name: str
    kind: str
    clips: str
    many: int
    changes: dict[str, Any]


def features(s: WakeWordSettings) -> list[Features]:
    """Of synthesized clips. Neural voices are few speakers: varied, as recordings are."""
    negatives = int(s.speech_hours * 3600 / SECONDS_PER_NEGATIVE)
    varied = {"varied": True}
    return [
        Features("phrase", "phrase", "phrase", s.samples, {}),
        Features("confusable", "speech", "confusable", max(100, s.samples // 8), {}),
        Features("speech", "speech", "speech", negatives, {}),
        Features("broken", "broken", "phrase", max(100, s.samples // 16), {}),
        Features("noise", "noise", "noise", max(60, negatives // 5), {}),
        Features("neural_phrase", "phrase", "neural_phrase", of_few_speakers(s), varied),
        Features(
            "neural_confusable", "speech", "neural_confusable", max(100, s.samples // 16), varied
        ),
        Features("neural_speech", "speech", "neural_speech", max(100, negatives // 6), varied),
        Features("neural_broken", "broken", "neural_phrase", max(200, s.samples // 16), {}),
    ]


def of_few_speakers(s: WakeWordSettings) -> int:
    """Features of the phrase by few people: enough to learn from them, but no more than synthesized
    ones in a small run."""
    return max(min(4000, 2 * s.samples), s.samples // 2)
