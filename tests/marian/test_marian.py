"""One model.npz in Marian and in CTranslate2: equal hypotheses and scores."""

import ctranslate2
import keras
import numpy as np
import pytest
from pymarian import Translator

from trainer.code_engine.export import ctranslate, marian
from trainer.models import transformer

SPEC = transformer.Spec(120, 3, 2, 48, 96, 4, 0.0)
NAMES = ["</s>", "<unk>", "'", '"', "\\", "#", ":", "-", "A", "SP", *(f"t{i}" for i in range(110))]
INPUTS = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    keras.utils.set_random_seed(1)
    model = transformer.build(SPEC)
    rng = np.random.default_rng(1)
    weights = {  # biases that are not zero, and texts that end
        name: value
        + (rng.normal(0, 0.1, value.shape) if "_ln_" not in name and len(value) == 1 else 0)
        for name, value in transformer.weights_of(model).items()
    }
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    weights["decoder_ff_logit_out_b"][0, :2] += 1, -30  # </s> and <unk>, which Marian never writes
    marian.write_model(weights, SPEC, folder / marian.MODEL)
    marian.write_vocabulary(NAMES, folder / marian.VOCABULARY)
    marian.write_config(marian.VOCABULARY, 3, 40, 3, folder / marian.CONFIG)
    ctranslate.write(folder, NAMES)
    return folder


def test_hypotheses_and_scores_are_equal(folder):
    rng = np.random.default_rng(2)
    sources = [
        [NAMES[i] for i in rng.integers(2, len(NAMES), rng.integers(4, 30))] for _ in range(INPUTS)
    ]
    ours = ctranslate2.Translator(
        str(folder / ctranslate.FOLDER / ctranslate.FLOAT), compute_type="float32"
    ).translate_batch(
        sources, beam_size=3, num_hypotheses=1, length_penalty=0, return_scores=True,
        min_decoding_length=0, max_decoding_length=60,
    )  # fmt: skip
    lines = Translator(
        models=str(folder / marian.MODEL), vocabs=[str(folder / marian.VOCABULARY)] * 2,
        beam_size=3, normalize=0, word_penalty=0, n_best=True, max_length_factor=3, quiet=True,
        cpu_threads=1,
    ).translate([" ".join(source) for source in sources])  # fmt: skip
    theirs = {}
    for line in "\n".join(lines).splitlines():
        number, text, _, score = line.split(" ||| ")
        theirs.setdefault(int(number), (text.split(), float(score)))
    differences, lengths = [], []
    for number, mine in enumerate(ours):
        text, score = theirs[number]
        found = mine.hypotheses[0]
        if len(found) < min(60, 3 * len(sources[number])):  # it ends by itself
            assert found == text, number
            differences.append(abs(mine.scores[0] - score))
            lengths.append(len(found))
    assert len(lengths) > INPUTS // 2
    assert len(set(lengths)) > 3
    assert max(differences) < 1e-3
