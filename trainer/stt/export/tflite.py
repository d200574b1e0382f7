"""`output_graph.tflite` for both clients: today's converters use operators that they lack.

The contract is in tflitemodelstate.cc: names are compared exactly, every `metadata_*` is the output
of one operator of its own, string outputs come last, the operators of the features and of the
network are disjoint. Operator versions are the first ones (FULLY_CONNECTED 3 with int8 weights,
symmetric per tensor): TensorFlow 2.3 has no later.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.mfcc import CONTEXT, FILTERS, LOWEST_HZ, MFCCS
from trainer.models.speech.deepspeech import LSTM_BIAS, LSTM_KERNEL, NORM_EPSILON, norm_names
from trainer.stt.export.contract import Contract
from trainer.stt.export.flatbuffer import Writer, flex, pair, single


def write(
    weights: Mapping[str, np.ndarray], contract: Contract, path: Path, quantized: bool
) -> Path:
    """The file; `quantized`: weights as int8."""
    path.write_bytes(_build(weights, contract, quantized))
    return path


def _build(weights: Mapping[str, np.ndarray], contract: Contract, quantized: bool) -> bytes:
    w = Writer()
    schema, hidden, steps, classes = w.schema, contract.n_hidden, contract.n_steps, contract.classes
    features = contract.features

    def shape_of(name: str, shape: Sequence[int]) -> int:
        return w.constant(f"{name}/shape", np.array(shape, np.int32))

    def reshape(x: int, name: str, shape: Sequence[int], kind: str = "float32") -> int:
        y = w.tensor(name, shape, kind)
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        w.operator("RESHAPE", [x, shape_of(name, shape)], [y], options)
        return y

    kernels: dict[str, int] = {}

    def kernel(name: str, matrix: np.ndarray) -> int:
        """(in, out) -> FULLY_CONNECTED's (out, in), float or int8."""
        if name not in kernels:
            turned = np.ascontiguousarray(matrix.T, np.float32)
            if quantized:
                scale = float(np.abs(turned).max() / 127) or 1.0
                data = np.clip(np.rint(turned / scale), -127, 127).astype(np.int8)
                kernels[name] = w.tensor(name, data.shape, "int8", data.tobytes(), scale)
            else:
                kernels[name] = w.constant(name, turned)
        return kernels[name]

    def connected(
        x: int, name: str, rows: int, weight: int, bias: int, width: int, relu: bool = False
    ) -> int:
        y = w.tensor(name, (rows, width))
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = (
            schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
        )
        w.operator(
            "FULLY_CONNECTED", [x, weight, bias], [y], options, version=3 if quantized else 1
        )
        return y

    def dense(x: int, layer: str, clipped: bool = True) -> int:
        bias = w.constant(f"{layer}/bias", weights[f"{layer}/bias"].astype(np.float32))
        width = len(weights[f"{layer}/bias"])
        matrix = kernel(f"{layer}/weights", weights[f"{layer}/weights"])
        y = connected(x, f"{layer}/product", steps, matrix, bias, width, relu=clipped)
        if not clipped:
            return y
        z = w.tensor(layer, (steps, width))
        w.operator("MINIMUM", [y, clip], [z], schema.MaximumMinimumOptionsT())
        return normed(z, layer, width) if contract.layer_norm else z

    def normed(x: int, layer: str, width: int) -> int:
        def step(
            op: str, inputs: Sequence[int], name: str, columns: int, options: Any = None
        ) -> int:
            y = w.tensor(f"{layer}/norm/{name}", (steps, columns))
            w.operator(op, inputs, [y], options)
            return y

        def mean(x: int, name: str) -> int:
            options = schema.ReducerOptionsT()
            options.keepDims = True
            axis = w.constant(f"{layer}/norm/{name}/axis", np.array([1], np.int32))
            return step("MEAN", [x, axis], name, 1, options)

        factor, offset = (
            w.constant(name, weights[name].astype(np.float32)) for name in norm_names(layer)
        )
        middle = mean(x, "mean")
        variance = mean(step("SQUARED_DIFFERENCE", [x, middle], "squares", width), "variance")
        epsilon = w.constant(f"{layer}/norm/epsilon", np.array([NORM_EPSILON], np.float32))
        scale = step(
            "RSQRT",
            [step("ADD", [variance, epsilon], "shifted", 1, schema.AddOptionsT())],
            "scale",
            1,
        )
        centred = step("SUB", [x, middle], "centred", width, schema.SubOptionsT())
        scaled = step("MUL", [centred, scale], "scaled", width, schema.MulOptionsT())
        return step(
            "ADD",
            [step("MUL", [scaled, factor], "product", width, schema.MulOptionsT()), offset],
            "out",
            width,
            schema.AddOptionsT(),
        )

    given = w.tensor("input_node", (1, steps, 2 * CONTEXT + 1, MFCCS))
    state_c, state_h = (
        w.tensor("previous_state_c", (1, hidden)),
        w.tensor("previous_state_h", (1, hidden)),
    )
    samples = w.tensor("input_samples", (features.window,))
    clip = w.constant("relu_clip", np.array(contract.relu_clip, np.float32))
    no_bias = w.constant("no_bias", np.zeros(4 * hidden, np.float32))

    # --- features
    column = reshape(samples, "samples_column", (features.window, 1))
    spectrum = w.tensor("spectrogram", (1, 1, features.bins))
    w.operator(
        "AudioSpectrogram",
        [column],
        [spectrum],
        custom=flex(
            {"window_size": features.window, "stride": features.step, "magnitude_squared": True}
        ),
    )
    rate = w.constant("sample_rate", np.array(features.sample_rate_hz, np.int32))
    cepstrum = w.tensor("mfcc", (1, 1, MFCCS))
    bands = {
        "upper_frequency_limit": features.sample_rate_hz / 2,
        "lower_frequency_limit": LOWEST_HZ,
        "filterbank_channel_count": FILTERS,
        "dct_coefficient_count": MFCCS,
    }
    w.operator("Mfcc", [spectrum, rate], [cepstrum], custom=flex(bands))
    mfccs = reshape(cepstrum, "mfccs", (1, MFCCS))

    # --- network
    x = reshape(given, "windows", (steps, (2 * CONTEXT + 1) * MFCCS))
    for layer in ("layer_1", "layer_2", "layer_3"):
        x = dense(x, layer)
    both = weights[LSTM_KERNEL]
    bias = w.constant("lstm/bias", weights[LSTM_BIAS].astype(np.float32))
    projected = connected(
        x, "lstm/projected", steps, kernel("lstm/kernel", both[:hidden]), bias, 4 * hidden
    )
    recurrent = kernel("lstm/recurrent", both[hidden:])
    c, h, states = state_c, state_h, []
    for t in range(steps):
        last = t == steps - 1
        row = w.tensor(f"lstm/{t}/input", (1, 4 * hidden))
        options = schema.StridedSliceOptionsT()
        begin, end = (
            w.constant(f"lstm/{t}/{n}", np.array(v, np.int32))
            for n, v in (("begin", (t, 0)), ("end", (t + 1, 4 * hidden)))
        )
        stride = w.constant(f"lstm/{t}/stride", np.array((1, 1), np.int32))
        w.operator("STRIDED_SLICE", [projected, begin, end, stride], [row], options)
        fed = connected(h, f"lstm/{t}/recurrent", 1, recurrent, no_bias, 4 * hidden)
        gates = pair(w, "ADD", row, fed, f"lstm/{t}/gates", 4 * hidden)
        parts = [w.tensor(f"lstm/{t}/{n}", (1, hidden)) for n in "ijfo"]
        split = schema.SplitOptionsT()
        split.numSplits = 4
        w.operator(
            "SPLIT", [w.constant(f"lstm/{t}/axis", np.array(1, np.int32)), gates], parts, split
        )
        on, new, forget, out = (
            single(w, op, p, f"lstm/{t}/{n}_on", hidden)
            for op, p, n in zip(
                ("LOGISTIC", "TANH", "LOGISTIC", "LOGISTIC"), parts, "ijfo", strict=True
            )
        )
        kept = pair(w, "MUL", forget, c, f"lstm/{t}/kept", hidden)
        added = pair(w, "MUL", on, new, f"lstm/{t}/added", hidden)
        c = pair(w, "ADD", kept, added, "new_state_c" if last else f"lstm/{t}/c", hidden)
        h = pair(
            w,
            "MUL",
            out,
            single(w, "TANH", c, f"lstm/{t}/c_on", hidden),
            "new_state_h" if last else f"lstm/{t}/h",
            hidden,
        )
        states.append(h)
    joined = w.tensor("lstm", (steps, hidden))
    concat = schema.ConcatenationOptionsT()
    concat.axis = 0
    w.operator("CONCATENATION", states, [joined], concat)
    x = dense(joined, "layer_5")
    x = dense(x, "layer_6", clipped=False)
    logits = w.tensor("logits", (steps, classes))
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    w.operator("SOFTMAX", [x], [logits], softmax)

    # --- metadata: one operator each, strings last
    metadata = []
    for name, number in contract.integers().items():
        metadata.append(
            reshape(w.constant(f"{name}/value", np.array([number], np.int32)), name, (1,), "int32")
        )
    for name, data in (
        ("metadata_alphabet", contract.alphabet.serialize()),
        ("metadata_language", contract.language.encode()),
    ):
        packed = struct.pack("<iii", 1, 12, 12 + len(data)) + data
        metadata.append(
            reshape(w.tensor(f"{name}/value", (1,), "string", packed), name, (1,), "string")
        )
    return w.finish([given, state_c, state_h, samples], [logits, c, h, mfccs, *metadata])
