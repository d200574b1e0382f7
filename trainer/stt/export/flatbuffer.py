"""A .tflite file written tensor by tensor and operator by operator."""

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np


class Writer:
    """Tensors, buffers and operators of one subgraph."""

    def __init__(self) -> None:
        from tensorflow.lite.python import schema_py_generated as schema

        self.schema = schema
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self._code_of: dict[tuple[Any, ...], int] = {}
        self._types = {
            "float32": schema.TensorType.FLOAT32,
            "int32": schema.TensorType.INT32,
            "int8": schema.TensorType.INT8,
            "string": schema.TensorType.STRING,
        }

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str = "float32",
        data: bytes | None = None,
        scale: float | None = None,
    ) -> int:
        """A tensor; with `data` a constant."""
        made = self.schema.TensorT()
        made.name, made.shape, made.type = name.encode(), list(shape), self._types[kind]
        made.buffer = 0
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        if scale is not None:
            made.quantization = self.schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, name: str, value: np.ndarray) -> int:
        return self.tensor(
            name, value.shape, str(value.dtype), np.ascontiguousarray(value).tobytes()
        )

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
        custom: bytes = b"",
    ) -> None:
        """Append an operator: a BuiltinOperator, or, with `custom` options, a custom one."""
        schema = self.schema
        key = (name, version, bool(custom))
        if key not in self._code_of:
            code = schema.OperatorCodeT()
            if custom:
                code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
                code.customCode = name.encode()
            else:
                number = getattr(schema.BuiltinOperator, name)
                code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
            code.version = version
            self.codes.append(code)
            self._code_of[key] = len(self.codes) - 1
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = (
            self._code_of[key],
            list(inputs),
            list(outputs),
        )
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
            made.builtinOptions = options
        if custom:
            made.customOptions = np.frombuffer(custom, np.uint8)
        self.operators.append(made)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file, buffers aligned to 16 bytes."""
        schema = self.schema
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = b"main", self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.operatorCodes = 3, self.codes
        model.subgraphs, model.buffers = [graph], self.buffers
        model.description = b"Voicekiln"
        builder = flatbuffers.Builder(1 << 20)
        for buffer in self.buffers:  # in ModelT.Pack they would get an alignment of 4
            _align_data(schema, buffer)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _align_data(schema: Any, buffer: Any) -> None:
    """Make `buffer` pack its data at a multiple of 16, as the schema asks."""
    if buffer.data is None:
        return

    def pack(builder: Any, data: np.ndarray = buffer.data) -> Any:
        builder.StartVector(1, len(data), 16)
        builder.head = builder.head - len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data.tobytes()
        at = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, at)
        return schema.BufferEnd(builder)

    buffer.Pack = pack


def single(w: Writer, op: str, x: int, name: str, width: int) -> int:
    """Append an operator of one input; returns its output, [1, width]."""
    y = w.tensor(name, (1, width))
    w.operator(op, [x], [y])
    return y


def pair(w: Writer, op: str, a: int, b: int, name: str, width: int) -> int:
    """Append ADD or MUL of two tensors; returns its output, [1, width]."""
    y = w.tensor(name, (1, width))
    w.operator(op, [a, b], [y], w.schema.AddOptionsT() if op == "ADD" else w.schema.MulOptionsT())
    return y


def flex(options: Mapping[str, Any]) -> bytes:
    """A flexbuffers map."""
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        for name, value in sorted(options.items()):
            add = {bool: builder.Bool, int: builder.Int, float: builder.Float}[type(value)]
            add(name, value)
    return bytes(builder.Finish())
