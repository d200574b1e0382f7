"""The conformer on speech as it arrives, in the form that sherpa-onnx has for WeNet's models: each
call takes one chunk, and the caches of attention and convolution from the call before.

x (1, 4 (chunk - 1) + 7, 80), offset, required_cache_size, attn_cache (layers, heads, past, 2 size),
conv_cache (layers, 1, width, kernel - 1), attn_mask (1, 1, past + chunk) -> log_probs, next caches.
"""

from pathlib import Path

import keras
import numpy as np

from trainer.errors import UserError
from trainer.models.onnx import Graph
from trainer.models.speech.conformer import Conformer
from trainer.models.speech.conformer_onnx import END, Writer, write_tokens

MODEL = "streaming.onnx"
RIGHT_CONTEXT = 6  # frames that the two convolutions see ahead
# sherpa-onnx gives WeNet's models samples in the range of 16 bits: the logarithm of their power,
# and the smallest one that training saw
SCALE, FLOOR = 2 * float(np.log(32768)), float(np.log(np.finfo(np.float32).eps))


def write(
    model: Conformer, network: keras.Model, constants: tuple[float, float], out: Path
) -> None:
    """streaming.onnx and tokens.txt in `out`. Raises UserError for a model without chunks."""
    if not model.chunk:
        raise UserError("a conformer without chunks needs whole clips: train with chunk=16")
    graph = Graph()
    writer = _Streaming(graph, model, network)
    graph.node("LogSoftmax", writer.logits(*constants), out="log_probs", axis=-1)
    writer.write_caches()
    past = model.chunk * model.left
    attention = model.layers, model.heads, past, 2 * writer.size
    convolution = model.layers, 1, model.width, model.kernel - 1
    classes = len(model.labels) + 1
    graph.write(
        out / MODEL,
        {
            "x": (np.float32, (1, "T", model.bands)),
            "offset": (np.int64, (1,)),
            "required_cache_size": (np.int64, (1,)),
            "attn_cache": (np.float32, attention),
            "conv_cache": (np.float32, convolution),
            "attn_mask": (np.bool_, (1, 1, "past_and_chunk")),
        },
        {
            "log_probs": (np.float32, (1, "T2", classes)),
            "next_attn_cache": (np.float32, attention),
            "next_conv_cache": (np.float32, convolution),
        },
        {
            "model_type": "wenet_ctc",
            "head": str(model.heads),
            "num_blocks": str(model.layers),
            "output_size": str(model.width),
            "cnn_module_kernel": str(model.kernel),
            "right_context": str(RIGHT_CONTEXT),
            "subsampling_factor": str(model.subsampling),
            "vocab_size": str(classes),
            "chunk_size": str(model.chunk),
            "left_chunks": str(model.left),
            "comment": "voicekiln conformer",
        },
    )
    write_tokens(model, out)


class _Streaming(Writer):
    """Layers that take what is kept of the past, and keep it."""

    def __init__(self, graph: Graph, model: Conformer, network: keras.Model) -> None:
        super().__init__(graph, model, network)
        self._attention_caches: list[str] = []
        self._convolution_caches: list[str] = []

    def logits(self, mean: float, deviation: float) -> str:
        """(1, chunk, classes)."""
        g, ones = self.g, self.model.layers * [1]
        self._attention = g.nodes("Split", "attn_cache", g.integers(*ones), count=len(ones), axis=0)
        self._convolution = g.nodes(
            "Split", "conv_cache", g.integers(*ones), count=len(ones), axis=0
        )
        x = g.node("Max", g.node("Sub", "x", g.constant(SCALE)), g.constant(FLOOR))
        x = g.node("Unsqueeze", self.normalised(x, mean, deviation), g.integers(1))
        for number in range(2):
            x = self.halved(x, f"halve_{number}", 0)
        return self.layers(x, g.constant(1.0))

    def write_caches(self) -> None:
        """The outputs that the next call is given."""
        for out, parts in (
            ("next_attn_cache", self._attention_caches),
            ("next_conv_cache", self._convolution_caches),
        ):
            self.g.node("Concat", *parts, out=out, axis=0)

    def attention(self, x: str, mask: str, name: str) -> str:
        g, past = self.g, self.model.chunk * self.model.left
        query, key, value = self.parts(x, name)
        turns = self.turns(g.node("Add", self.places(x), "offset"))
        query, key = self.turned(query, turns), self.turned(key, turns)
        cache = self._attention[len(self._attention_caches)]  # (1, heads, past, 2 size)
        joined = g.node("Concat", cache, g.node("Concat", key, value, axis=-1), axis=2)
        self._attention_caches.append(self._last(joined, past, 2))
        key, value = g.nodes("Split", joined, g.integers(self.size, self.size), count=2, axis=-1)
        seen = g.node("Unsqueeze", g.node("Cast", "attn_mask", to=1), g.integers(1))
        closed = g.node("Sub", g.constant(1.0), seen)
        return self.attended(query, key, value, closed, name)

    def over_time(self, x: str, name: str) -> str:
        g, model = self.g, self.model
        cache = self._convolution[len(self._convolution_caches)]
        turned = g.node("Transpose", x, perm=[0, 2, 1])
        joined = g.node("Concat", g.node("Squeeze", cache, g.integers(0)), turned, axis=2)
        kept = self._last(joined, model.kernel - 1, 2)
        self._convolution_caches.append(g.node("Unsqueeze", kept, g.integers(0)))
        kernel = g.constant(self.weights(name)["kernel"].T[:, None])
        found = g.node("Conv", joined, kernel, group=model.width, kernel_shape=[model.kernel])
        return g.node("Transpose", found, perm=[0, 2, 1])

    def _last(self, x: str, count: int, axis: int) -> str:
        g = self.g
        return g.node("Slice", x, g.integers(-count), g.integers(END), g.integers(axis))
