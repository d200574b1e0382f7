"""A streaming int8 `.tflite` from a Keras model, and the requirements of ESPHome's interpreter.

Quantised resource variables (`_experimental_variable_quantization`), int8 in, uint8 out,
calibration through the states: the form of the published models. The input step becomes 26/255
because both ends of the range are fed.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.micro_frontend import CHANNELS, FEATURE_MAX, FEATURE_STEP
from trainer.errors import UserError
from trainer.log import quiet

# MicroMutableOpResolver<20> of ESPHome's micro_wake_word component
ESPHOME_OPS = frozenset(
    "CALL_ONCE VAR_HANDLE RESHAPE READ_VARIABLE STRIDED_SLICE CONCATENATION ASSIGN_VARIABLE "
    "CONV_2D MUL ADD MEAN FULLY_CONNECTED LOGISTIC QUANTIZE DEPTHWISE_CONV_2D "
    "AVERAGE_POOL_2D MAX_POOL_2D PAD PACK SPLIT_V".split()
)
VARIABLE_LIMIT = 20
# ESP32's faster kernels (esp-nn) need more scratch space than the reference kernels: okay_nabu
# ships with 37,000 for 25,904 measured
ARENA_ALLOWANCE = 1.43
UNMEASURED_ARENA = 60_000  # more than any model of ours needs; ESPHome probes from there


def streaming_tflite(model: Any, calibration: np.ndarray, stride: int) -> bytes:
    """Convert a `stream` form model. `calibration`: uint8 steps (clips, frames, 40)."""
    import tensorflow as tf

    settle(model, stride)

    def representative() -> Iterator[list[np.ndarray]]:
        ends = np.zeros((1, stride, CHANNELS), np.float32)
        ends[0, 0, 0] = FEATURE_MAX
        yield [ends]
        for clip in calibration:
            for at in range(0, len(clip) - stride + 1, stride):
                yield [clip[None, at : at + stride].astype(np.float32) * np.float32(FEATURE_STEP)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter._experimental_variable_quantization = True
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.uint8
    with quiet():
        return bytes(converter.convert())


def settle(model: Any, stride: int, most: int = 2000) -> None:
    """Set the states to what silence leaves in them: states of zero occur at every start of a
    device, but never in training. Raises UserError."""
    rings = [w for layer in model.layers for w in layer.weights if w.name == "ring"]
    silence = np.zeros((1, stride, CHANNELS), np.float32)
    before = [np.asarray(r) for r in rings]
    for _ in range(most):
        model(silence)
        now = [np.asarray(r) for r in rings]
        if all(np.array_equal(a, b) for a, b in zip(before, now, strict=True)):
            return
        before = now
    raise UserError(f"the states still change after {most} steps of silence")


def check(data: bytes) -> dict[str, Any]:
    """Operations with counts, and variables. Raises UserError for what ESPHome does not have."""
    from tensorflow.lite.python import schema_py_generated as schema

    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}

    def count(part: Any) -> Counter[str]:
        codes = [graph.operatorCodes[op.opcodeIndex] for op in part.operators]
        return Counter(names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in codes)

    ops = count(graph.subgraphs[0])  # the others set the states to zero, once
    strange = sorted(set(sum((count(part) for part in graph.subgraphs), Counter())) - ESPHOME_OPS)
    if strange:
        raise UserError(
            f"the model uses {', '.join(strange)}, which ESPHome's interpreter does not have"
        )
    if ops["VAR_HANDLE"] > VARIABLE_LIMIT:
        raise UserError(
            f"the model has {ops['VAR_HANDLE']} states; ESPHome allows {VARIABLE_LIMIT}"
        )
    main = graph.subgraphs[0]
    given, answer = main.tensors[main.inputs[0]], main.tensors[main.outputs[0]]
    kinds = (given.type, answer.type)
    if kinds != (schema.TensorType.INT8, schema.TensorType.UINT8) or list(answer.shape) != [1, 1]:
        raise UserError(f"input {given.shape} and output {answer.shape} are not int8 and uint8")
    step = float(given.quantization.scale[0])
    if abs(step - FEATURE_STEP) > 1e-6:
        raise UserError(
            f"input step is {step:.6f} instead of 26/255: clients would use another scale"
        )
    return {"ops": dict(sorted(ops.items())), "variables": ops["VAR_HANDLE"], "bytes": len(data)}


class Stream:
    """The exported model as clients run it: state persists between calls until `reset`. Raises
    UserError for other models and damaged files."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        try:
            self.reset()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"not a .tflite that LiteRT can run ({error})") from error
        shape, kind = self._input["shape"].tolist(), self._input["dtype"].__name__
        if len(shape) != 3 or shape[2] != CHANNELS or kind != "int8":
            raise UserError(f"not a streaming wake word model: its input is {kind} {shape}")
        self.stride = int(shape[1])

    def reset(self) -> None:
        """Forget all state (only a new interpreter does)."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._interpreter = Interpreter(
            model_content=self._data, num_threads=1, experimental_op_resolver_type=plain
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """uint8 steps (n, 40) -> uint8 outputs, one per `stride` frames; a remainder is unused."""
        values = (frames.astype(np.int16) - 128).astype(np.int8)
        out = np.empty(len(values) // self.stride, np.uint8)
        interpreter, index = self._interpreter, self._input["index"]
        for i in range(len(out)):
            interpreter.set_tensor(index, values[None, i * self.stride : (i + 1) * self.stride])
            interpreter.invoke()
            out[i] = interpreter.get_tensor(self._output)[0, 0]
        return out


_ARENA = """
import sys
from pathlib import Path
import numpy as np
from tflite_micro.python.tflite_micro import runtime
data, size = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
model = runtime.Interpreter.from_bytes(data, arena_size=size)
shape = model.get_input_details(0)["shape"]
model.set_input(np.zeros(shape, np.int8), 0)
model.invoke()
model.get_output(0)
"""


def arena_bytes(path: Path) -> tuple[int, int]:
    """(measured, for the manifest): the smallest tensor arena in which TFLite Micro runs the file;
    (0, UNMEASURED_ARENA) where TFLite Micro has no wheel (aarch64): a first guess for ESPHome.

    Measured by bisection in a process of its own (too small an arena may crash it), to 256 bytes,
    with 64-bit pointers, which need more than the device's; the manifest adds what esp-nn's kernels
    use. Raises UserError.
    """

    def runs(size: int) -> bool:
        command = [sys.executable, "-c", _ARENA, str(path), str(size)]
        return (
            subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
        )

    if find_spec("tflite_micro") is None:
        return 0, UNMEASURED_ARENA
    low, high = 1024, 1 << 20
    if not runs(high):
        raise UserError(f"{path.name} does not run in TFLite Micro, even with an arena of 1 MiB")
    while high - low > 256:
        middle = (low + high) // 2
        low, high = (low, middle) if runs(middle) else (middle, high)
    return high, -(-int(high * ARENA_ALLOWANCE) // 100) * 100
