"""Writes ONNX graphs: nodes with names made here, weights as initializers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

OPSET, IR_VERSION = 17, 9  # what onnxruntime 1.16 and later, and sherpa-onnx, read


class Graph:
    """A graph that is built from its inputs to its outputs."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._count = 0

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """A weight or number; returns its name."""
        from onnx import numpy_helper

        array = np.asarray(value, kind)
        name = f"c{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """A list of int64."""
        return self.constant(values, np.int64)

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """One node; returns the name of its output."""
        return self.nodes(kind, *inputs, outs=[out] if out else None, **attributes)[0]

    def nodes(
        self, kind: str, *inputs: str, outs: Sequence[str] | None = None, count: int = 1,
        **attributes: Any,
    ) -> list[str]:  # fmt: skip
        """A node with several outputs."""
        from onnx import helper

        names = list(outs or [])
        while len(names) < count:
            self._count += 1
            names.append(f"n{self._count}")
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def write(
        self,
        path: Path,
        inputs: Mapping[str, tuple[type, Sequence[Any]]],
        outputs: Mapping[str, tuple[type, Sequence[Any]]],
        metadata: Mapping[str, str],
    ) -> None:
        """Checked and written. `inputs`, `outputs`: name -> (NumPy type, shape; a text for a size
        that is open)."""
        import onnx
        from onnx import helper

        def described(given: Mapping[str, tuple[type, Sequence[Any]]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape)
                )
                for name, (kind, shape) in given.items()
            ]

        graph = helper.make_graph(
            self._nodes, "voicekiln", described(inputs), described(outputs),
            list(self._constants.values()),
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="voicekiln"
        )
        model.ir_version = IR_VERSION
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model, full_check=True)
        unfinished = path.with_name(f"{path.name}.partial")
        unfinished.write_bytes(model.SerializeToString())
        unfinished.replace(path)
