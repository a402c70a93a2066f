"""A writer of ONNX graphs in one precision, node by node, with what networks are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, compose, defs, helper, numpy_helper

from .nn.activations import ACTIVATIONS

NAMES = {function: name for name, function in ACTIVATIONS.items()}
LEAST_OPSET = 13  # from here on all nodes below mean what they do
LEAST_OPSET_OF_TEXT = 19  # which Equal does not compare before
MOST_OPSET = defs.onnx_opset_version()  # that the installed onnx knows
IR_VERSION = 8  # readers refuse newer files than they know; this one has all that is used


class Graph:
    """Nodes and constants that are collected until a model is made of them.

    Names of values stand for them; what adds nodes returns the name of their output.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Precision of all numbers.
    opset : int
        Version of ONNX's operators.
    """

    def __init__(self, dtype: str, opset: int) -> None:
        self.dtype, self.opset = np.dtype(dtype), opset
        self.element = helper.np_dtype_to_tensor_dtype(self.dtype)
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.inputs: list[Any] = []
        self.zeros: list[str] = []  # added to the output; computing one fails, see `refuse`

    def input(self, name: str, shape: Sequence[Any], element: int | None = None) -> str:
        """Declare an input of the model."""
        element = self.element if element is None else element
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.add_many(op, inputs, 1, **attributes)[0]

    def add_many(
        self, op: str, inputs: Sequence[str], n_outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs."""
        names = [f"{op}_{len(self.nodes)}_{i}" for i in range(n_outputs)]
        self.nodes.append(helper.make_node(op, [*inputs], names, name=names[0], **attributes))
        return names

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return the name of an array, by default in the precision of the graph."""
        name = f"constant_{len(self.constants)}"
        array = np.array(value, self.dtype if dtype is None else dtype, order="C")
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def refuse(self, is_bad: str, reason: str) -> None:
        """Make the model fail where any entry of a boolean tensor is true.

        Runtimes print `reason`, the name of the node that fails. It puts one number into more
        places than one: the sizes of a tensor are always checked, an index out of range is not.
        """
        n_bad = self.add("ReduceSum", self.cast(is_bad, "int64"), keepdims=0)
        shape = self.add("Add", n_bad, self.constant([1], np.int64))
        self.zeros.append(self.add("Reshape", self.constant([0]), shape))
        self.nodes[-1].name = reason

    def refuse_no_numbers(self, x: str, n_columns: int, name: str) -> None:
        """Make the model fail where an input, (n_samples, n_columns), has NaN or infinity."""
        # Zero times these is NaN; the product takes one pass over the rows.
        product = self.add("MatMul", x, self.constant(np.zeros((n_columns, 1))))
        self.refuse(self.add("IsNaN", product), f"{name}_has_NaN_or_infinity")

    def cast(self, x: str, dtype: str) -> str:
        """Add a change of precision."""
        return self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def columns(self, x: str, index: Any) -> str:
        """Add the choice of columns by their numbers, in any order."""
        return self.add("Gather", x, self.constant(index, np.int64), axis=1)

    def activate(self, function: Callable[[Any], Any], x: str) -> str:
        """Add one of the functions of `nn.networks.ACTIVATIONS`."""
        return ACTIVATION_NODES[NAMES[function]](self, x)

    def keep_largest(self, x: str, n_kept: int) -> str:
        """Add the choice of the largest values of each row; the others become zero."""
        k = self.constant([n_kept], np.int64)
        values, index = self.add_many("TopK", [x, k], 2, axis=1)
        zeros = self.add("Mul", x, self.constant(0))
        return self.add("ScatterElements", zeros, index, values, axis=1)

    def keep_above(self, x: str, threshold: Any) -> str:
        """Add the choice of the values above a number, or one of each column."""
        above = self.add("Greater", x, self.constant(threshold))
        return self.add("Where", above, x, self.constant(0))

    def linear(self, x: str, weight: Any, bias: Any) -> str:
        """Add x W^T + b, with W of shape (n_out, n_in)."""
        return self.add("Gemm", x, self.constant(weight), self.constant(bias), transB=1)

    def include(self, model: ModelProto, x: str) -> str:
        """Add all of a model with one input and one output."""
        model = compose.add_prefix(model, f"part_{len(self.nodes)}_")
        graph = model.graph
        self.nodes.append(helper.make_node("Identity", [x], [graph.input[0].name]))
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)
        return str(graph.output[0].name)

    def to_model(self, output: str, name: str, n_columns: int) -> ModelProto:
        """Return the model that computes one of the values, under a name."""
        for zero in self.zeros:
            output = self.add("Add", output, zero)
        self.nodes.append(helper.make_node("Identity", [output], [name]))
        for i, node in enumerate(self.nodes):
            node.name = node.name or f"node_{i}"  # skl2onnx asks for one
        shape: list[Any] = ["n_samples", n_columns]
        out = helper.make_tensor_value_info(name, self.element, shape)
        graph = helper.make_graph(self.nodes, "skae", self.inputs, [out], self.constants)
        opset = helper.make_opsetid("", self.opset)
        return helper.make_model(
            graph, producer_name="skae", opset_imports=[opset], ir_version=IR_VERSION
        )


# Activations, of nodes that runtimes have in both precisions


def _leaky_relu(g: Graph, x: str) -> str:
    return g.add("Max", x, g.add("Mul", x, g.constant(0.01)))


def _elu(g: Graph, x: str) -> str:
    below = g.add("Exp", g.add("Min", x, g.constant(0)))
    return g.add("Add", g.add("Relu", x), g.add("Sub", below, g.constant(1)))


def _gelu(g: Graph, x: str) -> str:
    scaled = g.cast(g.add("Mul", x, g.constant(0.5**0.5)), "float32")  # Erf is for single only
    half = g.add("Mul", g.cast(g.add("Erf", scaled), g.dtype.name), g.constant(0.5))
    return g.add("Mul", x, g.add("Add", half, g.constant(0.5)))


def _silu(g: Graph, x: str) -> str:
    if g.dtype == np.float32:
        return g.add("Mul", x, g.add("Sigmoid", x))
    # onnxruntime 1.30 makes one node of that product, and has none for doubles.
    return g.add("Div", x, g.add("Add", g.constant(1), g.add("Exp", g.add("Neg", x))))


def _softplus(g: Graph, x: str) -> str:
    beyond = g.add("Exp", g.add("Neg", g.add("Abs", x)))
    return g.add("Add", g.add("Relu", x), g.add("Log", g.add("Add", beyond, g.constant(1))))


ACTIVATION_NODES: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda g, x: x,
    "relu": lambda g, x: g.add("Relu", x),
    "tanh": lambda g, x: g.add("Tanh", x),
    "sigmoid": lambda g, x: g.add("Sigmoid", x),
    "logistic": lambda g, x: g.add("Sigmoid", x),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
}
