"""Linear mixtures of n-gram models. KenLM is not in the tests' image: a plain reader stands in."""

import math

import pytest

from trainer.text import mixing

FIRST = {
    1: {"<s>": (-99, -0.3), "</s>": (-0.8, 0), "add": (-0.5, -0.2), "foo": (-0.6, -0.1)},
    2: {"<s> add": (-0.2, 0), "add foo": (-0.3, 0)},
}
SECOND = {
    1: {"<s>": (-99, -0.4), "</s>": (-0.6, 0), "add": (-0.7, -0.3), "bar": (-0.4, 0)},
    2: {"add bar": (-0.1, 0), "<s> bar": (-0.5, 0)},
}


class Plain:
    """Back-off as in ARPA's definition."""

    def __init__(self, path):
        self.grams = read(path)

    def _log(self, words):
        found = self.grams.get(len(words), {}).get(" ".join(words))
        if found:
            return found[0]
        if len(words) == 1:
            return -math.inf
        context = self.grams.get(len(words) - 1, {}).get(" ".join(words[:-1]), (0, 0))
        return context[1] + self._log(words[1:])

    def probability(self, history, word):
        if word != "</s>" and word not in self.grams[1]:
            return 0.0
        return 10 ** self._log([*history, word])

    def along(self, words):
        said = ["<s>", *words, "</s>"]
        for i in range(1, len(said)):
            yield self.probability(said[i - 1 : i], said[i])


def read(path):
    grams, order = {}, 0
    for line in path.read_text().splitlines():
        if line.endswith("-grams:"):
            order = int(line[1 : line.index("-")])
            grams[order] = {}
        elif order and "\t" in line:
            log, gram, *back = line.split("\t")
            grams[order][gram] = (float(log), float(back[0]) if back else 0.0)
    return grams


def write(path, grams):
    lines = ["\\data\\", *(f"ngram {n}={len(some)}" for n, some in grams.items())]
    for n, some in grams.items():
        lines += ["", f"\\{n}-grams:", *(f"{p}\t{g}\t{b}" for g, (p, b) in some.items())]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]))
    return path


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    monkeypatch.setattr(mixing, "_Model", Plain)
    first, second = write(tmp_path / "a", FIRST), write(tmp_path / "b", SECOND)
    mixing.mix(first, second, 0.6, tmp_path / "out")
    return first, second, tmp_path / "out"


def test_every_context_sums_to_one(mixed):
    model = Plain(mixed[2])
    words = [gram for gram in model.grams[1] if gram != "<s>"]
    assert set(words) == {"</s>", "add", "foo", "bar"}
    for context in ([], ["<s>"], ["add"], ["foo"]):
        total = sum(model.probability(context, word) for word in words)
        assert total == pytest.approx(1, abs=1e-4), context


def test_probabilities_are_those_of_both(mixed):
    first, second, out = (Plain(path) for path in mixed)
    wanted = 0.6 * first.probability(["add"], "foo") + 0.4 * second.probability(["add"], "foo")
    assert out.probability(["add"], "foo") == pytest.approx(wanted, rel=1e-4)


def test_the_weight_follows_the_text(mixed):
    towards_first = mixing.best_weight(mixed[0], mixed[1], ["add foo"] * 5)
    towards_second = mixing.best_weight(mixed[0], mixed[1], ["add bar", "bar"] * 5)
    assert towards_second < 0.3 < 0.7 < towards_first
