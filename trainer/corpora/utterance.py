"""One clip with its transcript: what every reader yields."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """One clip and its transcript.

    `split`: the official one, or empty; `start` and `end`: seconds, where a clip is a part of a
    recording (`end` 0: to its end); `channel`: from 1, 0 mixes all.
    """

    path: str
    transcript: str
    speaker: str = ""
    split: str = ""
    start: float = 0.0
    end: float = 0.0
    channel: int = 0

    @property
    def clip(self) -> tuple[str, float, int]:
        """Identity of the audio: equal for rows that list a clip twice."""
        return self.path, self.start, self.channel
