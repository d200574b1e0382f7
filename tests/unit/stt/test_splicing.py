"""Words cut where a network recognises them, and sentences put together of them."""

import itertools

import numpy as np
import pytest

from trainer.audio.mfcc import AS_PUBLISHED
from trainer.corpora.utterance import Utterance
from trainer.store import build
from trainer.stt.batches import Changes
from trainer.stt.preparation import Clips, Mels
from trainer.stt.splicing import Words
from trainer.text.alphabet import Alphabet, collapse
from trainer.training.buckets import FRAMES_MULTIPLE
from trainer.training.splicing import alignments, bounds

ALPHABET = Alphabet(tuple(" abc"))
WORD_FRAMES = 10
TRANSCRIPTS = ("a b", "c a", "b", "ab c b", "c c", "a")


def spoken(plan, chunk):
    """Every word ten frames, loud but for the last; all rows of a word hold clip + k / 10."""
    for number, text in enumerate(TRANSCRIPTS):
        words = [
            np.full((WORD_FRAMES, 40), 10 + number + k / 10, np.float32)
            for k in range(len(text.split()))
        ]
        for word in words:
            word[-1, 1:] = -5.0
        yield np.concatenate(words), number, -1


class Network:
    """Spikes of a network that recognises each label at its place: those of a word from its third
    frame on, the space in its last."""

    def predict_on_batch(self, x):
        logits = np.zeros((*x.shape[:2], 5), np.float32)
        logits[:, :, 4] = 5
        for row in range(len(x)):
            text = TRANSCRIPTS[self.numbers[row]]
            for k, word in enumerate(text.split()):
                for j, letter in enumerate(word):
                    logits[row, WORD_FRAMES * k + 3 + 2 * j, ALPHABET.encode(letter)[0]] = 10
                if k + 1 < len(text.split()):
                    logits[row, WORD_FRAMES * (k + 1) - 1, 0] = 10
        return logits


@pytest.fixture
def clips(tmp_path):
    build(tmp_path, spoken, None, 1, "spoken", None)
    speakers = ("x", "x", "y", "x", "y", "z")
    return Clips(
        Mels(tmp_path),
        [np.array(ALPHABET.encode(text), np.int32) for text in TRANSCRIPTS],
        [
            Utterance(f"{i}.wav", text, speaker)
            for i, (text, speaker) in enumerate(zip(TRANSCRIPTS, speakers, strict=True))
        ],
        AS_PUBLISHED,
    )


@pytest.fixture
def words(clips):
    known = Words(clips, ALPHABET, 0.5, 6)
    model = Network()
    model.numbers = np.argsort(clips.frames.index["length"], kind="stable")
    known.update(model, 0.13)
    return known


def test_an_alignment_is_the_best_of_all_paths(rng):
    chances = rng.normal(0, 1, (2, 5, 3))
    chances -= np.logaddexp.reduce(chances, axis=-1, keepdims=True)
    labels = [np.array([0, 0]), np.array([1])]
    found = alignments(chances, [5, 4], labels, 2)
    for row, (count, text) in enumerate(zip((5, 4), labels, strict=True)):
        fitting = [
            p for p in itertools.product(range(3), repeat=count) if collapse(p, 2) == text.tolist()
        ]
        best = max(fitting, key=lambda p: sum(chances[row, t, c] for t, c in enumerate(p)))
        assert [2 if place % 2 == 0 else text[place // 2] for place in found[row]] == list(best)
        assert (np.diff(found[row]) >= 0).all()


def test_words_end_where_it_is_quiet(clips, words):
    mels = clips.frames.raw(3)
    path = alignments(_chances(3, clips), [30], [clips.labels[3]], 4)[0]
    assert bounds(mels.mean(1), path, clips.labels[3], 0).tolist() == [0, 9, 19, 30]


def _chances(number, clips):
    model = Network()
    model.numbers = [number]
    logits = model.predict_on_batch(np.zeros((1, FRAMES_MULTIPLE, 26)))
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def test_sentences_hold_the_words_that_they_tell_of_one_speaker(clips, words, rng):
    own = {"x": {0, 1, 3}, "y": {2, 4}, "z": {5}}
    seen = set()
    for _ in range(200):
        number = int(rng.integers(6))
        mels, labels = words.sentence(number, 9, rng)
        text = ALPHABET.decode(labels)
        seen.add(text)
        rows = [row for row, _ in itertools.groupby(np.round(mels[mels[:, 1] > 0, 0], 1))]
        words_found = [TRANSCRIPTS[int(v) - 10].split()[round(v % 1 * 10)] for v in rows]
        assert " ".join(words_found) == text or len(words_found) < len(
            text.split()
        )  # the same word twice is one run of rows
        assert {int(v) - 10 for v in rows} <= own[clips.names[number].speaker]
        assert len(labels) <= 9
    assert "b c" in seen  # no clip holds it


def test_before_they_are_known_clips_stay_as_they_are(clips, rng):
    known = Words(clips, ALPHABET, 0.5, 6)
    known.update(None, 0.1)
    assert known.sentence(3, 9, rng) is None
    (mels,), (labels,) = Changes(words=known).clips(clips, np.array([3]), 0.1, rng)
    assert np.array_equal(mels, clips.frames.raw(3))
    assert labels is clips.labels[3]


def test_only_clips_that_are_not_spliced_are_read_anew(clips, words, rng):
    class Reads:
        def log_mels(self, names, needed, clock, rng):
            self.names = [u.path for u in names]
            return [np.full((n, 40), -1, np.float32) for n in needed]

    reads = Reads()
    mels, labels = Changes(augmentation=reads, words=words).clips(clips, np.arange(6), 0.5, rng)
    again = [number for number, m in enumerate(mels) if (m == -1).all()]
    assert 0 < len(again) < 6
    assert reads.names == [f"{number}.wav" for number in again]
    assert all(labels[number] is clips.labels[number] for number in again)


def test_a_checkpoint_knows_the_words(clips, words):
    again = Words(clips, ALPHABET, 0.5, 6)
    again.known.restore(words.known.state())
    for seed in range(9):
        ours, theirs = (w.sentence(3, 9, np.random.default_rng(seed)) for w in (words, again))
        assert np.array_equal(ours[0], theirs[0])
    again.update(None, 0.2)  # not yet due again
