"""`output_graph.pb` and `.pbmm` for libdeepspeech 0.9.3 (TensorFlow 2.3), from named weights.

The graph is built from the raw operations that the client has (such as BlockLSTM), attributes that
2.3 does not know are deleted, and large constants become regions of a memory-mapped package,
aligned to 64 bytes.
"""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.mfcc import CONTEXT, FILTERS, LOWEST_HZ, MFCCS
from trainer.models.speech.deepspeech import LSTM_BIAS, LSTM_KERNEL, NORM_EPSILON, norm_names
from trainer.stt.export.contract import Contract

NEW_ATTRIBUTES = ("grad_a", "grad_b", "grad_x", "grad_y", "bad_indices_policy")
MAPPED_BYTES = 10_000  # constants at least as large are mapped
ALIGNMENT = 64
PREFIX = "memmapped_package://"


def graph(weights: Mapping[str, np.ndarray], contract: Contract) -> Any:
    """The GraphDef of the client's contract. `weights`: as in DeepSpeech's checkpoints."""
    import tensorflow as tf

    raw, steps, hidden, window = tf.raw_ops, contract.n_steps, contract.n_hidden, 2 * CONTEXT + 1
    features = contract.features
    with tf.Graph().as_default() as built:

        def constant(name: str, value: Any, dtype: Any = None) -> Any:
            return tf.constant(value, dtype, name=name)

        for name, value in contract.integers().items():
            constant(name, [value], tf.int32)
        constant("metadata_alphabet", [contract.alphabet.serialize()], tf.string)
        constant("metadata_language", [contract.language.encode()], tf.string)

        given = tf.compat.v1.placeholder(tf.float32, [1, steps, window, MFCCS], "input_node")
        lengths = tf.compat.v1.placeholder(tf.int32, [1], "input_lengths")
        before_c = tf.compat.v1.placeholder(tf.float32, [1, hidden], "previous_state_c")
        before_h = tf.compat.v1.placeholder(tf.float32, [1, hidden], "previous_state_h")
        samples = tf.compat.v1.placeholder(tf.float32, [features.window], "input_samples")

        def dense(x: Any, layer: str, clipped: bool = True) -> Any:
            product = raw.MatMul(a=x, b=constant(f"{layer}_weights", weights[f"{layer}/weights"]))
            y = raw.BiasAdd(value=product, bias=constant(f"{layer}_bias", weights[f"{layer}/bias"]))
            if not clipped:
                return y
            y = raw.Minimum(
                x=raw.Relu(features=y), y=constant(f"{layer}_clip", np.float32(contract.relu_clip))
            )
            return normed(y, layer) if contract.layer_norm else y

        def normed(x: Any, layer: str) -> Any:
            factor, offset = (
                constant(f"{layer}_norm_{i}", weights[name])
                for i, name in enumerate(norm_names(layer))
            )
            mean = raw.Mean(input=x, axis=[1], keep_dims=True)
            variance = raw.Mean(input=raw.SquaredDifference(x=x, y=mean), axis=[1], keep_dims=True)
            scale = raw.Rsqrt(
                x=raw.AddV2(x=variance, y=constant(f"{layer}_epsilon", np.float32(NORM_EPSILON)))
            )
            return raw.AddV2(
                x=raw.Mul(x=raw.Mul(x=raw.Sub(x=x, y=mean), y=scale), y=factor), y=offset
            )

        x = raw.Reshape(tensor=given, shape=[steps, window * MFCCS])
        for layer in ("layer_1", "layer_2", "layer_3"):
            x = dense(x, layer)
        zeros = constant("no_peephole", np.zeros(hidden, np.float32))
        longest = raw.Cast(x=raw.Max(input=lengths, axis=[0]), DstT=tf.int64)
        recurrent = raw.BlockLSTM(
            seq_len_max=longest,
            x=raw.Reshape(tensor=x, shape=[steps, 1, hidden]),
            cs_prev=before_c,
            h_prev=before_h,
            w=constant("lstm_kernel", weights[LSTM_KERNEL]),
            wci=zeros,
            wcf=zeros,
            wco=zeros,
            b=constant("lstm_bias", weights[LSTM_BIAS]),
            forget_bias=0.0,
            cell_clip=-1.0,
            use_peephole=False,
        )
        for name, first, states in (("c", before_c, recurrent.cs), ("h", before_h, recurrent.h)):
            row = raw.ExpandDims(input=first, axis=0)
            every = raw.ConcatV2(values=[row, states], axis=0)
            at = raw.Pack(values=[lengths, raw.ZerosLike(x=lengths)], axis=1)
            raw.GatherNd(params=every, indices=at, name=f"new_state_{name}")
        x = dense(raw.Reshape(tensor=recurrent.h, shape=[steps, hidden]), "layer_5")
        x = raw.Softmax(logits=dense(x, "layer_6", clipped=False))
        raw.Reshape(tensor=x, shape=[steps, 1, contract.classes], name="logits")

        spectrum = raw.AudioSpectrogram(
            input=raw.Reshape(tensor=samples, shape=[features.window, 1]),
            window_size=features.window,
            stride=features.step,
            magnitude_squared=True,
        )
        cepstrum = raw.Mfcc(
            spectrogram=spectrum,
            sample_rate=features.sample_rate_hz,
            upper_frequency_limit=features.sample_rate_hz / 2,
            lower_frequency_limit=LOWEST_HZ,
            filterbank_channel_count=FILTERS,
            dct_coefficient_count=MFCCS,
        )
        raw.Reshape(tensor=cepstrum, shape=[1, MFCCS], name="mfccs")
    found = built.as_graph_def()
    for node in found.node:
        for name in [n for n in node.attr if n.startswith("_") or n in NEW_ATTRIBUTES]:
            del node.attr[name]
        node.ClearField("experimental_debug_info")
        node.ClearField("experimental_type")
    found.versions.producer = 134
    found.versions.min_consumer = 12
    return found


def memory_mapped(found: Any) -> bytes:
    """The memory-mapped package: large constants as regions, the graph, a directory of lengths."""
    import tensorflow as tf
    from tensorflow.core.framework import graph_pb2

    kept = graph_pb2.GraphDef()
    kept.CopyFrom(found)
    out, directory = bytearray(), []
    taken: set[str] = set()
    for node in kept.node:
        if node.op != "Const":
            continue
        value = tf.make_ndarray(node.attr["value"].tensor)
        if value.dtype == object or value.nbytes < MAPPED_BYTES:
            continue
        region = PREFIX + re.sub(r"[^A-Za-z0-9_.]", "_", node.name)
        while region in taken:
            region += "_"
        taken.add(region)
        out += bytes(-len(out) % ALIGNMENT)
        directory.append((len(out), region, value.nbytes))
        out += np.ascontiguousarray(value).tobytes()
        dtype = node.attr["dtype"].type
        node.op = "ImmutableConst"
        node.attr.clear()
        node.attr["dtype"].type = dtype
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
        node.attr["memory_region_name"].s = region.encode()
    body = kept.SerializeToString(deterministic=True)
    directory.append((len(out), PREFIX + ".", len(body)))
    out += body
    at = len(out)
    for offset, name, length in directory:
        entry = _varint_field(1, offset) + _bytes_field(2, name.encode()) + _varint_field(3, length)
        out += _bytes_field(1, entry)
    return bytes(out) + struct.pack("<Q", at)


def write(
    weights: Mapping[str, np.ndarray], contract: Contract, folder: Path, name: str = "output_graph"
) -> tuple[Path, Path]:
    """<name>.pb and <name>.pbmm in `folder`."""
    found = graph(weights, contract)
    plain, mapped = folder / f"{name}.pb", folder / f"{name}.pbmm"
    plain.write_bytes(found.SerializeToString(deterministic=True))
    mapped.write_bytes(memory_mapped(found))
    return plain, mapped


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint_field(number: int, value: int) -> bytes:
    # 0 is written too: proto3 would leave it out, and the client reads both
    return _varint(number << 3) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value
