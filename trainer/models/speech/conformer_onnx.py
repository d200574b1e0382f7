"""The conformer in ONNX, as sherpa-onnx takes CTC models: x, x_lens -> log_probs, log_probs_len.

The blank comes first there. Features are normalised inside of the graph; sherpa-onnx computes the
same 80 log mel bands as `AudioProcessor("log_mel_80", normalize="fixed")`.
"""

from pathlib import Path

import keras
import numpy as np

from trainer.errors import UserError
from trainer.models.onnx import Graph
from trainer.models.speech.conformer import KERNEL, STRIDE, Conformer, speeds

EPSILON = 1e-5
MODEL, TOKENS = "model.onnx", "tokens.txt"
BLANK, SPACE = "<blk>", "\u2581"
FAR = -1e9
FEATURES = "log_mel_80"
END = np.iinfo(np.int64).max
# training pads one frame at the end, as its lengths are even; two serve odd lengths as well
END_FRAMES = 2


def write(
    model: Conformer, network: keras.Model, constants: tuple[float, float], out: Path
) -> None:
    """model.onnx and tokens.txt in `out`. `constants`: (mean, deviation) of the features.

    Raises UserError for a model that sherpa-onnx cannot feed.
    """
    if model.bands != 80:
        raise UserError(f"sherpa-onnx computes 80 bands, the model takes {model.bands}")
    graph = Graph()
    logits, lengths = Writer(graph, model, network).whole(*constants)
    graph.node("LogSoftmax", logits, out="log_probs", axis=-1)
    graph.node("Identity", lengths, out="log_probs_len")
    classes = len(model.labels) + 1
    graph.write(
        out / MODEL,
        {"x": (np.float32, ("N", "T", model.bands)), "x_lens": (np.int64, ("N",))},
        {"log_probs": (np.float32, ("N", "T2", classes)), "log_probs_len": (np.int64, ("N",))},
        {
            "model_type": "zipformer2_ctc",  # sherpa-onnx's name for these inputs and outputs
            "version": "1",
            "model_author": "voicekiln",
            "comment": f"conformer, {model.layers} layers, width {model.width}",
        },
    )
    write_tokens(model, out)


def write_tokens(model: Conformer, out: Path) -> None:
    """tokens.txt: the blank, then the labels, a space as \u2581."""
    tokens = [BLANK, *(SPACE if label == " " else label for label in model.labels)]
    lines = "".join(f"{token} {i}\n" for i, token in enumerate(tokens))
    (out / TOKENS).write_text(lines, encoding="utf-8")


class Writer:
    """Layers of the network as nodes."""

    def __init__(self, graph: Graph, model: Conformer, network: keras.Model) -> None:
        self.g, self.model, self.network = graph, model, network

    def weights(self, layer: str) -> dict[str, np.ndarray]:
        """Name -> value of a layer's weights."""
        found = self.network.get_layer(layer).weights
        return {weight.name: np.asarray(weight, np.float32) for weight in found}

    def whole(self, mean: float, deviation: float) -> tuple[str, str]:
        """(logits with the blank first, lengths)."""
        g = self.g
        mask = self._mask("x", "x_lens")
        x = g.node("Mul", self.normalised("x", mean, deviation), mask)
        x = g.node("Unsqueeze", x, g.integers(1))  # (N, 1, T, bands)
        lengths = "x_lens"
        for number in range(2):
            x = self.halved(x, f"halve_{number}", END_FRAMES)
            mask = self._every_second(mask)
            x = g.node("Mul", x, g.node("Unsqueeze", mask, g.integers(1)))
            lengths = self._half(lengths)
        return self.layers(x, mask), lengths

    def normalised(self, x: str, mean: float, deviation: float) -> str:
        """The features as the network was trained on them."""
        g = self.g
        return g.node("Div", g.node("Sub", x, g.constant(mean)), g.constant(deviation))

    def layers(self, x: str, mask: str) -> str:
        """(N, channels, T, bands) -> logits (N, T, classes), the blank first."""
        g, model = self.g, self.model
        x = g.node("Transpose", x, perm=[0, 2, 3, 1])  # bands, then channels, as Keras has them
        x = g.node("Reshape", x, g.integers(0, 0, -1))
        x = self._dense(x, "enter")
        for number in range(model.layers):
            x = self._layer(x, mask, number)
        return self._dense(x, "logits", [len(model.labels), *range(len(model.labels))])

    def _mask(self, x: str, lengths: str) -> str:
        """(N, T, 1): 1 up to the end of each clip."""
        g = self.g
        places = self.places(x)
        used = g.node("Less", g.node("Unsqueeze", places, g.integers(0)),
                      g.node("Unsqueeze", lengths, g.integers(1)))  # fmt: skip
        return g.node("Unsqueeze", g.node("Cast", used, to=1), g.integers(2))

    def places(self, x: str) -> str:
        """0 ... T - 1 of (N, T, ...), int64, (T,)."""
        g = self.g
        time = g.node("Gather", g.node("Shape", x), g.constant(1, np.int64))
        return g.node("Range", g.constant(0, np.int64), time, g.constant(1, np.int64))

    def _every_second(self, mask: str) -> str:
        g = self.g
        return g.node("Slice", mask, g.integers(0), g.integers(END), g.integers(1), g.integers(2))

    def _half(self, lengths: str) -> str:
        g = self.g
        one, two = g.constant(1, np.int64), g.constant(2, np.int64)
        return g.node("Div", g.node("Add", lengths, one), two)

    def halved(self, x: str, name: str, end: int) -> str:
        """A convolution with a stride of two, and `end` frames of padding at the end only."""
        weights = self.weights(name)
        kernel = self.g.constant(weights["kernel"].transpose(3, 2, 0, 1))
        bias = self.g.constant(weights["bias"])
        found = self.g.node(
            "Conv", x, kernel, bias, kernel_shape=[KERNEL, KERNEL], strides=[STRIDE, STRIDE],
            pads=[0, 0, end, 1],
        )  # fmt: skip
        return self.g.node("Relu", found)

    def _dense(self, x: str, name: str, order: list[int] | None = None) -> str:
        weights = self.weights(name)
        columns = order if order is not None else slice(None)
        found = self.g.node("MatMul", x, self.g.constant(weights["kernel"][:, columns]))
        return self.g.node("Add", found, self.g.constant(weights["bias"][columns]))

    def _normed(self, x: str, name: str) -> str:
        weights = self.weights(name)
        scale, bias = self.g.constant(weights["gamma"]), self.g.constant(weights["beta"])
        return self.g.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def _silu(self, x: str) -> str:
        return self.g.node("Mul", x, self.g.node("Sigmoid", x))

    def _fed(self, x: str, name: str, number: int) -> str:
        """Half of a feed-forward block, added."""
        g = self.g
        y = self._silu(self._dense(self._normed(x, f"{name}_norm_{number}"), f"{name}_in_{number}"))
        y = g.node("Mul", self._dense(y, f"{name}_out_{number}"), g.constant(0.5))
        return g.node("Add", x, y)

    def _layer(self, x: str, mask: str, number: int) -> str:
        g, model = self.g, self.model
        x = self._fed(x, "first", number)
        normed = self._normed(x, f"attention_norm_{number}")
        x = g.node("Add", x, self.attention(normed, mask, f"attention_{number}"))
        y = self._dense(self._normed(x, f"gate_norm_{number}"), f"gate_{number}")
        one, other = g.nodes("Split", y, g.integers(model.width, model.width), count=2, axis=-1)
        y = g.node("Mul", g.node("Mul", one, g.node("Sigmoid", other)), mask)
        y = self.over_time(y, f"convolution_{number}")
        y = self._silu(self._normed(y, f"convolution_norm_{number}"))
        x = g.node("Add", x, self._dense(y, f"convolved_{number}"))
        x = self._fed(x, "second", number)
        return self._normed(x, f"last_norm_{number}")

    def over_time(self, x: str, name: str) -> str:
        """The depthwise convolution."""
        g, size, width = self.g, self.model.kernel, self.model.width
        kernel = self.weights(name)["kernel"].T[:, None]
        before = size - 1 if self.model.chunk else size // 2
        turned = g.node("Transpose", x, perm=[0, 2, 1])
        found = g.node(
            "Conv", turned, g.constant(kernel), group=width, kernel_shape=[size],
            pads=[before, size - 1 - before],
        )  # fmt: skip
        return g.node("Transpose", found, perm=[0, 2, 1])

    def parts(self, x: str, name: str) -> list[str]:
        """Query, key and value, (N, heads, T, size) each."""
        g, heads = self.g, self.model.heads
        weights = self.weights(name)
        joined = g.node("MatMul", x, g.constant(weights["kernel"]))
        joined = g.node("Add", joined, g.constant(weights["bias"]))
        joined = g.node("Reshape", joined, g.integers(0, 0, 3, heads, self.size))
        joined = g.node("Transpose", joined, perm=[2, 0, 3, 1, 4])
        split = g.nodes("Split", joined, g.integers(1, 1, 1), count=3, axis=0)
        return [g.node("Squeeze", part, g.integers(0)) for part in split]

    @property
    def size(self) -> int:
        """Width of a head."""
        return self.model.width // self.model.heads

    def attention(self, x: str, mask: str, name: str) -> str:
        """Of whole clips."""
        g = self.g
        query, key, value = self.parts(x, name)
        places = self.places(x)
        turns = self.turns(places)
        query, key = self.turned(query, turns), self.turned(key, turns)
        closed = g.node("Sub", g.constant(1.0), g.node("Transpose", mask, perm=[0, 2, 1]))
        closed = g.node("Unsqueeze", closed, g.integers(1))
        if self.model.chunk:
            closed = g.node("Max", closed, self._outside(places))
        return self.attended(query, key, value, closed, name)

    def attended(self, query: str, key: str, value: str, closed: str, name: str) -> str:
        """The values that queries attend to, mixed. `closed`: 1 where they must not."""
        g, width = self.g, self.model.width
        scores = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2]))
        scores = g.node("Mul", scores, g.constant(self.size**-0.5))
        scores = g.node("Add", scores, g.node("Mul", closed, g.constant(FAR)))
        found = g.node("MatMul", g.node("Softmax", scores, axis=-1), value)
        found = g.node("Transpose", found, perm=[0, 2, 1, 3])
        found = g.node("Reshape", found, g.integers(0, 0, width))
        return g.node("MatMul", found, g.constant(self.weights(name)["out"]))

    def _outside(self, places: str) -> str:
        """(T, T): 1 for chunks that are ahead or too far back."""
        g, model = self.g, self.model
        chunk = g.node("Div", places, g.constant(model.chunk, np.int64))
        ahead = g.node("Sub", g.node("Unsqueeze", chunk, g.integers(0)),
                       g.node("Unsqueeze", chunk, g.integers(1)))  # fmt: skip
        late = g.node("Greater", ahead, g.constant(0, np.int64))
        early = g.node("Less", ahead, g.constant(-model.left, np.int64))
        return g.node("Cast", g.node("Or", late, early), to=1)

    def turns(self, places: str) -> tuple[str, str]:
        """(cosines, sines) of rotary positions, (T, size / 2)."""
        g = self.g
        at = g.node("Unsqueeze", g.node("Cast", places, to=1), g.integers(1))
        angles = g.node("Mul", at, g.constant(speeds(self.size)[None]))
        return g.node("Cos", angles), g.node("Sin", angles)

    def turned(self, x: str, turns: tuple[str, str]) -> str:
        """Rotated by the positions."""
        half = self.size // 2
        g, (cosines, sines) = self.g, turns
        one, other = g.nodes("Split", x, g.integers(half, half), count=2, axis=-1)

        def times(a: str, b: str) -> str:
            return g.node("Mul", a, b)

        first = g.node("Sub", times(one, cosines), times(other, sines))
        second = g.node("Add", times(one, sines), times(other, cosines))
        return g.node("Concat", first, second, axis=-1)
