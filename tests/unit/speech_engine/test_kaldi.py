"""A Kaldi nnet3 model: its files as text and binary, the graph, and Vosk with tones for phones."""

import math
import struct

import numpy as np
import pytest

from trainer.errors import UserError
from trainer.speech_engine import runtimes
from trainer.speech_engine.acoustics import find, kaldi, pocketsphinx
from trainer.speech_engine.kaldi import files, phones

BANDS = 80
PHONES = ["SIL", *pocketsphinx.acoustics().units]
BINS = [18 + int(1.5 * i) for i in range(len(PHONES))]
LOW, HIGH = 20, 7800
WORDS = "delete line five go to insert function".split()


def mel(hertz):
    return 1127 * math.log(1 + hertz / 700)


def tones(text, seconds=0.08):
    """A tone a phone, silence before and after."""
    step = (mel(HIGH) - mel(LOW)) / (BANDS + 1)
    rng = np.random.default_rng(0)
    parts = [np.zeros(6400)]
    dictionary = pocketsphinx.acoustics().dictionary
    for word in text.split():
        for phone in dictionary[word][0].split():
            hertz = 700 * math.expm1((mel(LOW) + (BINS[PHONES.index(phone)] + 1) * step) / 1127)
            count = int(seconds * 16000)
            wave = 9000 * np.sin(2 * np.pi * hertz * np.arange(count) / 16000)
            parts.append(wave * np.hanning(count) ** 0.3)
    samples = np.concatenate([*parts, np.zeros(6400)])
    return (samples + rng.standard_normal(len(samples)) * 30).astype(np.int16)


def text_tree(width):
    """A pdf a phone, whatever stands before it."""
    pdfs = " ".join(f"CE {i}" for i in range(len(PHONES)))
    table = f"TE {width - 1} {len(PHONES) + 1} ( NULL {pdfs} )"
    if width == 2:  # a question about the phone before, with the same answers
        table = f"SE 0 [ 1 2 3 ]\n{{ {table} {table} }}"
    return f"ContextDependency {width} {width - 1} ToPdf {table} EndContextDependency "


def binary_tree():
    def integer(value):
        return struct.pack("<bi", 4, value)

    pdfs = b"".join(b"CE " + integer(i) for i in range(len(PHONES)))
    table = (
        b"TE " + integer(0) + struct.pack("<bI", -4, len(PHONES) + 1) + b"( NULL " + pdfs + b") "
    )
    return (
        b"\0BContextDependency " + integer(1) + integer(0) + b"ToPdf " + table
        + b"EndContextDependency "
    )  # fmt: skip


def model_text():
    """One linear layer from MFCCs (all of them, so that they invert) to phones."""
    cosines = np.full((BANDS, BANDS), math.sqrt(1 / BANDS))
    for k in range(1, BANDS):
        angles = math.pi / BANDS * (np.arange(BANDS) + 0.5) * k
        cosines[k] = math.sqrt(2 / BANDS) * np.cos(angles)
    weight, bias = np.zeros((len(PHONES), BANDS)), np.zeros(len(PHONES))
    for i, place in enumerate(BINS):
        if i:
            weight[i], bias[i] = cosines.T[place], -17
    rows = "\n".join("  " + " ".join(f"{x:.6f}" for x in row) for row in weight)
    numbers = range(1, len(PHONES) + 1)
    states = "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State>\n"
    states += "<State> 1 </State>\n"
    topology = (
        f"<Topology>\n<TopologyEntry>\n<ForPhones>\n{' '.join(map(str, numbers))}\n</ForPhones>\n"
        f"{states}</TopologyEntry>\n</Topology>\n"
    )
    triples = "".join(f"{n} 0 {n - 1}\n" for n in numbers)
    logs = " ".join(["0", *["-0.693147"] * (2 * len(PHONES))])
    return (
        f"<TransitionModel>\n{topology}<Triples> {len(PHONES)}\n{triples}</Triples>\n"
        f"<LogProbs>\n [ {logs} ]\n</LogProbs>\n</TransitionModel>\n"
        f"<Nnet3> \ninput-node name=input dim={BANDS}\n"
        "component-node name=aff component=aff input=input\n"
        "output-node name=output input=aff objective=linear\n\n<NumComponents> 1\n"
        f"<ComponentName> aff <FixedAffineComponent> <LinearParams>  [\n{rows} ]\n"
        f"<BiasParams>  [ {' '.join(f'{x:.6f}' for x in bias)} ]\n</FixedAffineComponent>\n"
        "</Nnet3>\n<LeftContext> 0 <RightContext> 0 <Priors> [ ]\n"
    )


def toy(folder, width=1):
    (folder / "conf").mkdir(parents=True)
    (folder / "final.mdl").write_text(model_text())
    (folder / "tree").write_text(text_tree(width))
    rows = ["<eps>", *PHONES, "#0", "#1"]
    (folder / "phones.txt").write_text("".join(f"{p} {i}\n" for i, p in enumerate(rows)))
    (folder / "conf" / "mfcc.conf").write_text(
        f"--use-energy=false\n--num-mel-bins={BANDS}\n--num-ceps={BANDS}\n--low-freq={LOW}\n"
        f"--high-freq={HIGH}\n--cepstral-lifter=0\n--dither=0\n"
    )
    (folder / "conf" / "model.conf").write_text(
        "--min-active=200\n--max-active=3000\n--beam=13.0\n--lattice-beam=8.0\n"
        "--acoustic-scale=1.0\n--frame-subsampling-factor=1\n"
    )
    return folder


def arpa(path, *more):
    names = ["<s>", "</s>", *WORDS, *more]
    lines = ["\\data\\", f"ngram 1={len(names)}", "ngram 2=1", "", "\\1-grams:"]
    lines += [f"{-99 if n == '<s>' else -1}\t{n}\t0" for n in names]
    lines += ["", "\\2-grams:", "-0.3\tdelete line", "", "\\end\\", ""]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("width", [1, 2])
def test_a_graph_in_vosk(tmp_path, width):
    acoustics = find(str(toy(tmp_path / "model", width)))
    assert acoustics.kind == "kaldi"
    words = {word: acoustics.dictionary[word] for word in WORDS}
    (tmp_path / "graph").mkdir()
    kaldi.write_graph(words, arpa(tmp_path / "a.arpa"), acoustics, tmp_path / "graph")
    kaldi.write(tmp_path / "graph", acoustics, tmp_path)
    said = ["delete line five", "go to line", "insert function"]
    assert runtimes.decode_apart("vosk", tmp_path, [tones(text) for text in said]) == said


def test_trees_as_text_and_binary(tmp_path):
    (tmp_path / "text").write_text(text_tree(1))
    (tmp_path / "binary").write_bytes(binary_tree())
    one, other = files.read_tree(tmp_path / "text"), files.read_tree(tmp_path / "binary")
    assert one == other
    assert [one.pdf([n], 0) for n in (1, 5)] == [0, 4]
    with pytest.raises(KeyError):
        one.pdf([99], 0)


def test_transitions(tmp_path):
    (tmp_path / "final.mdl").write_text(model_text())
    found = files.read_transitions(tmp_path / "final.mdl")
    assert found.first[2, 0, 1, 1] == 3
    assert found.states[1][0].transitions == ((0, 0.5), (1, 0.5))
    assert found.costs[1] == pytest.approx(0.693147)


def test_binary_chain_models(tmp_path):
    """One state, whose loop has a pdf class of its own."""

    def integer(value):
        return struct.pack("<bi", 4, value)

    def real(value):
        return struct.pack("<bf", 4, value)

    def vector(values):
        return struct.pack("<bi", 4, len(values)) + struct.pack(f"<{len(values)}i", *values)

    state = integer(0) + integer(1) + integer(2) + integer(0) + real(0.5) + integer(1) + real(0.5)
    end = integer(-1) + integer(-1) + integer(0)
    data = b"\0B<TransitionModel> <Topology> " + vector([1]) + vector([-1, 0])
    data += integer(-1) + integer(1) + integer(2) + state + end + b"</Topology> <Tuples> "
    data += (
        integer(1) + integer(1) + integer(0) + integer(7) + integer(8) + b"</Tuples> <LogProbs> "
    )
    data += (
        b"FV " + integer(3) + struct.pack("<3f", 0, -0.7, -0.7) + b"</LogProbs> </TransitionModel> "
    )
    (tmp_path / "final.mdl").write_bytes(data)
    found = files.read_transitions(tmp_path / "final.mdl")
    assert found.states[1][0] == files.State(0, 1, ((0, 0.5), (1, 0.5)))
    assert found.first == {(1, 0, 7, 8): 1}


@pytest.mark.parametrize("text", ["", "ContextDependency 1", "nothing of Kaldi"])
def test_damaged_trees(tmp_path, text):
    (tmp_path / "tree").write_text(text)
    with pytest.raises(UserError, match="tree"):
        files.read_tree(tmp_path / "tree")


def test_phones_with_stress_and_position():
    names = ["SIL", "SIL_B", "K_B", "AE1_I", "AE0_I", "T_E", "AH0_S", "AH1_S", "T_B", "AH0_E"]
    found = phones.Phones({name: i + 1 for i, name in enumerate(names)})
    assert [names[n - 1] for n in found.of("K AE T")] == ["K_B", "AE1_I", "T_E"]
    assert [names[n - 1] for n in found.of("AH")] == ["AH1_S"]
    assert found.silences == [1, 2]
    assert phones.missing(found, ["K AE T ZH"]) == ["ZH"]


def test_a_tree_of_another_model(tmp_path):
    folder = toy(tmp_path / "model")
    (folder / "tree").write_text(text_tree(1).replace("CE 5 ", "CE 6 "))
    acoustics = find(str(folder))
    words = {word: acoustics.dictionary[word] for word in WORDS}
    every = {"all": [" ".join(acoustics.units)], **words}
    (tmp_path / "graph").mkdir()
    with pytest.raises(UserError, match="do not belong together"):
        kaldi.write_graph(every, arpa(tmp_path / "a.arpa", "all"), acoustics, tmp_path / "graph")


def test_a_model_without_some_phones_or_files(tmp_path):
    folder = toy(tmp_path / "model")
    text = (folder / "phones.txt").read_text()
    (folder / "phones.txt").write_text(text.replace("ZH ", "QQ "))
    with pytest.raises(UserError, match="lacks the phones ZH"):
        find(str(folder))
    (folder / "phones.txt").write_text(text.replace("SIL ", "XXX "))
    with pytest.raises(UserError, match="has no phone SIL"):
        find(str(folder))
    (folder / "phones.txt").write_text(text)
    (folder / "conf" / "mfcc.conf").unlink()
    with pytest.raises(UserError, match=r"holds no mfcc\.conf"):
        find(str(folder))
