"""What estimators do with rows and codes, as nodes of an ONNX graph.

Modules and networks of skae are written node by node, in a hundredth of a second; those of the
user, and modules with code of theirs, go through torch's own exporter.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import nn

from ._onnx_graph import ACTIVATION_NODES, LEAST_OPSET_OF_TEXT, Graph
from .nn.convolutions import ConvDecoder, ConvEncoder
from .nn.networks import MLP, TiedMLP
from .nn.nodes import Nodes
from .training.torch_settings import torch_as_usual

LEAST_OPSET_OF_TORCH = 18

# What a class may define itself, and is then not known here.
METHODS = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "_encode",
    "_encode_batch",
    "_decode",
    "_reconstruct_batch",
    "_make_units",
)


def check_is_known(estimator: Any) -> None:
    """Refuse an estimator whose own code does something else with rows or codes."""
    for name in METHODS:
        method = getattr(type(estimator), name, None)
        if not getattr(method, "__module__", "skae").startswith("skae"):
            raise ValueError(
                f"{type(estimator).__name__} defines {name} itself, and ONNX knows only those of "
                "skae. What a network or a module does can be written: put it there."
            )


# Networks


def network(g: Graph, net: Any, x: str, n_inputs: int) -> str:
    """Add a network."""
    if type(net) in NETWORKS:
        return NETWORKS[type(net)](g, net, x)
    return through_torch(g, net, "forward", x, n_inputs)


def _perceptron(g: Graph, net: MLP, x: str) -> str:
    first, *others = net.layers
    h = g.linear(x, _array(net.first_weight()), _array(first.bias))
    for layer in others:
        h = g.linear(ACTIVATION_NODES[net.activation](g, h), *_arrays(layer.weight, layer.bias))
    return _beside_path(g, net, x, h)


def _mirror(g: Graph, net: TiedMLP, z: str) -> str:
    (encoder,) = net._encoder
    h = z
    for layer, bias in zip(reversed(encoder.layers), net.biases, strict=True):
        h = h if h is z else ACTIVATION_NODES[encoder.activation](g, h)
        h = g.linear(h, _array(layer.weight.T), _array(bias))
    return h if encoder.path is None else g.add("Add", h, _matrix(g, z, encoder.path.weight))


def _matrix(g: Graph, x: str, weight: Any) -> str:
    return g.add("MatMul", x, g.constant(_array(weight)))


def _conv_encoder(g: Graph, net: ConvEncoder, x: str) -> str:
    phi, d = ACTIVATION_NODES[net.plan.activation], net.plan.n_pixels
    h = _to_channels(g, _columns(g, x, 0, d), net.plan.image_shape)
    for i, (down, blocks) in enumerate(zip(net.down, net.blocks, strict=True)):
        h = _convolve(g, "Conv", down, phi(g, h) if i else h)
        if len(net.shifts):
            c = _matrix(g, _columns(g, x, d, net.n_in), net.shifts[i].weight.T)
            h = g.add("Add", h, _reshape(g, c, (-1, net.plan.channels[i], 1, 1)))
        h = _blocks(g, blocks, h)
    flat = _to_columns(g, phi(g, h))
    return _beside_path(g, net, x, g.linear(flat, *_arrays(net.head.weight, net.head.bias)))


def _conv_decoder(g: Graph, net: ConvDecoder, z: str) -> str:
    phi = ACTIVATION_NODES[net.plan.activation]
    stem = g.linear(z, *_arrays(net.stem.weight, net.stem.bias))
    h, sizes = _to_channels(g, stem, net.plan.coarsest), net.plan.sizes[-2::-1]
    for blocks, up, size in zip(reversed(net.blocks), net.up, sizes, strict=True):
        h = _convolve(g, "ConvTranspose", up, phi(g, _blocks(g, blocks, h)))
        start, end, axes = (g.constant(n, np.int64) for n in ((0, 0), size, (2, 3)))
        h = g.add("Slice", h, start, end, axes)
    return _beside_path(g, net, z, g.add("Add", _to_columns(g, h), g.constant(_array(net.bias))))


def _blocks(g: Graph, blocks: Any, h: str) -> str:
    for block in blocks:
        phi = ACTIVATION_NODES[block.activation]
        inner = _convolve(g, "Conv", block.first, phi(g, h))
        h = g.add("Add", h, _convolve(g, "Conv", block.second, phi(g, inner)))
    return h


def _convolve(g: Graph, op: str, layer: Any, h: str) -> str:
    parameters = [p for p in (layer.weight, layer.bias) if p is not None]
    names = [g.constant(array, np.float32) for array in _arrays(*parameters)]
    single = g.cast(h, "float32")  # runtimes have convolutions in single precision alone
    pads = [*layer.padding, *layer.padding]
    return g.cast(g.add(op, single, *names, strides=list(layer.stride), pads=pads), g.dtype.name)


def _beside_path(g: Graph, net: Any, x: str, h: str) -> str:
    return h if net.path is None else g.add("Add", h, _matrix(g, x, net.path.weight.T))


def _columns(g: Graph, x: str, start: int, end: int) -> str:
    bounds = [g.constant([n], np.int64) for n in (start, end, 1)]
    return g.add("Slice", x, *bounds)


def _reshape(g: Graph, x: str, shape: tuple[int, ...]) -> str:
    return g.add("Reshape", x, g.constant(shape, np.int64))


def _to_channels(g: Graph, x: str, shape: tuple[int, int, int]) -> str:
    """Make pictures with the channels first of rows with the channels last."""
    return g.add("Transpose", _reshape(g, x, (-1, *shape)), perm=[0, 3, 1, 2])


def _to_columns(g: Graph, h: str) -> str:
    return g.add("Flatten", g.add("Transpose", h, perm=[0, 2, 3, 1]), axis=1)


NETWORKS: dict[type, Callable[[Graph, Any, str], str]] = {
    MLP: _perceptron,
    TiedMLP: _mirror,
    ConvEncoder: _conv_encoder,
    ConvDecoder: _conv_decoder,
}


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy())


def _arrays(*tensors: Any) -> list[np.ndarray]:
    return [_array(tensor) for tensor in tensors]


# Modules: rows in the network's units to codes, and back


def encode(g: Graph, module: Any, x: str, n_inputs: int) -> str:
    """Add the code of rows."""
    if not _is_ours(module):
        return through_torch(g, module, "encode", x, n_inputs)
    return str(module.code_nodes(g, network(g, module.encoder, x, n_inputs)))


def decode(g: Graph, module: Any, z: str, n_inputs: int) -> str:
    """Add the mean of rows; z has the condition beside it where the module knows one."""
    if not _is_ours(module):
        return through_torch(g, module, "decode", z, n_inputs)
    return str(module.row_nodes(g, network(g, module.decoder, z, n_inputs)))


def _is_ours(module: Any) -> bool:
    return type(module).__module__.startswith("skae.")


# Torch's exporter


def through_torch(g: Graph, module: nn.Module, method: str, x: str, n_inputs: int) -> str:
    """Add what torch's exporter makes of a method of a module."""
    kind = type(module).__name__
    if g.opset < LEAST_OPSET_OF_TORCH:
        raise ValueError(
            f"{kind} goes through torch's exporter, which needs an opset of at least "
            f"{LEAST_OPSET_OF_TORCH}. Got {g.opset}: pass target_opset."
        )
    if importlib.util.find_spec("onnxscript") is None:
        raise ImportError(
            f"{kind} goes through torch's exporter, which needs onnxscript: pip install "
            "onnxscript, or skae[onnx]."
        )
    rows = torch.zeros(3, n_inputs, dtype=getattr(torch, g.dtype.name))
    try:
        return g.include(_export(_Method(module, method).eval(), rows, g.opset), x)
    except Exception as error:
        first, *_ = str(error).strip().splitlines() or [""]
        raise ValueError(
            f"torch.onnx.export cannot write {kind}: {type(error).__name__}: {first}"
        ) from error


class _Method(nn.Module):
    """A method of a module as a module of its own, on the CPU."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module, self.method = copy.deepcopy(module).cpu(), method

    def forward(self, x: Any) -> Any:
        return getattr(self.module, self.method)(x).to(x.dtype)


def _export(module: nn.Module, rows: Any, opset: int) -> Any:
    said = logging.getLogger("torch.onnx")
    level = said.level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch_as_usual():
        warnings.simplefilter("ignore")  # of torch about its own ways
        said.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module,
                (rows,),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=({0: torch.export.Dim("n_samples")},),
                verbose=False,
            )
        finally:
            said.setLevel(level)
    assert program is not None
    return program.model_proto


# Estimators: rows in the user's units to codes that users see, and back


def write_codes(g: Graph, estimator: Any, x: str, c: str | None = None) -> str:
    """Add the codes of rows, as `transform` returns them."""
    module = _module_of(estimator, g)
    _check_needs_no_search(estimator, module)
    rows = _enter_rows(g, estimator, x, c)
    z = encode(g, module, rows, estimator._n_inputs)
    return z if estimator._code_units is None else _enter(g, estimator._code_units, z)


def write_rows(g: Graph, estimator: Any, z: str, c: str | None = None) -> str:
    """Add the rows that codes stand for, as `inverse_transform` returns them."""
    g.refuse_no_numbers(z, estimator._n_features_out, "Z")
    module = _module_of(estimator, g)
    if isinstance(module, Nodes):
        return _leave(g, estimator._units, _mix_of_nodes(g, module, z))
    if estimator._code_units is not None:
        z = _leave(g, estimator._code_units, z)
    return _decoded(g, estimator, z, c)


def write_reconstruction(g: Graph, estimator: Any, x: str, c: str | None = None) -> str:
    """Add the reconstructions of rows."""
    module = _module_of(estimator, g)
    _check_needs_no_search(estimator, module)
    z = encode(g, module, _enter_rows(g, estimator, x, c), estimator._n_inputs)
    if _columns_of(estimator) is not None:
        c = g.columns(x, _columns_of(estimator)[1])
    return _decoded(g, estimator, z, c)


def _check_needs_no_search(estimator: Any, module: Any) -> None:
    if isinstance(module, Nodes):
        name = type(estimator).__name__
        raise ValueError(
            f"The code of a row is found by a search in {name}, which ONNX has no nodes for: only "
            "the way back can be written, by skae.onnx.decoder."
        )


def _module_of(estimator: Any, g: Graph) -> Any:
    return estimator._module_in(getattr(torch, g.dtype.name))


def _decoded(g: Graph, estimator: Any, z: str, c: str | None) -> str:
    """Add the rows of codes in the network's units."""
    n_inputs = estimator._n_features_out
    if c is not None:
        entered = _enter(g, estimator._condition.units, c)
        z, n_inputs = g.add("Concat", z, entered, axis=1), n_inputs + estimator._n_conditions
    units = getattr(estimator._units, "rows", estimator._units)
    x = _leave(g, units, decode(g, _module_of(estimator, g), z, n_inputs))
    if c is None or _columns_of(estimator) is None:
        return x
    order = np.argsort(np.concatenate(_columns_of(estimator)))
    return g.columns(g.add("Concat", x, c, axis=1), order)


def _enter_rows(g: Graph, estimator: Any, x: str, c: str | None) -> str:
    """Add rows, and what is known of them beside them, in the network's units."""
    g.refuse_no_numbers(x, estimator.n_features_in_, "X")
    if _columns_of(estimator) is not None:
        x = g.columns(x, np.concatenate(_columns_of(estimator)))
    elif c is not None:
        x = g.add("Concat", x, c, axis=1)
    return _enter(g, estimator._units, x)


def _columns_of(estimator: Any) -> Any:
    """Return the columns that are modelled and those that are the condition, or None."""
    condition = getattr(estimator, "_condition", None)
    return None if condition is None else condition.columns


def write_condition(g: Graph, estimator: Any, name: str) -> str | None:
    """Add an input for the condition, as numbers; None where rows hold it or there is none."""
    condition = getattr(estimator, "_condition", None)
    if condition is None or condition.kind == "none":
        return None
    if condition.kind == "labels":
        return _write_labels(g, condition.classes, name, type(estimator).__name__)
    c = g.input(name, ["n_samples", condition.n_numbers])
    g.refuse_no_numbers(c, condition.n_numbers, name)
    return c


def _write_labels(g: Graph, classes: Any, name: str, owner: str) -> str:
    """Add an input for labels, as ones and zeros; a label that is none of the classes fails."""
    dtype = _type_of_labels(classes, g.opset, owner)
    is_text = dtype.kind == "O"
    element = TensorProto.STRING if is_text else helper.np_dtype_to_tensor_dtype(dtype)
    labels = g.add("Unsqueeze", g.input(name, ["n_samples"], element), g.constant([1], np.int64))
    known = g.constant(classes.astype(dtype)[None], dtype)
    one_hot = g.cast(g.add("Equal", labels, known), g.dtype.name)
    n_equal = g.add("MatMul", one_hot, g.constant(np.ones((len(classes), 1))))
    g.refuse(g.add("Less", n_equal, g.constant(0.5)), f"{name}_has_labels_that_fit_did_not_see")
    return one_hot


def _type_of_labels(classes: Any, opset: int, owner: str) -> Any:
    """Return the type of labels in ONNX; refuse what it cannot compare."""
    kind = classes.dtype.kind
    if all(isinstance(label, str) for label in classes.tolist()):
        if opset < LEAST_OPSET_OF_TEXT:
            raise ValueError(
                f"The condition of this {owner} has labels that are text, and text needs "
                f"target_opset of at least {LEAST_OPSET_OF_TEXT}. Got {opset} instead."
            )
        return np.dtype(object)
    if kind not in "iub":
        raise ValueError(
            "ONNX can compare labels that are integers, booleans or text. The condition of this "
            f"{owner} has {classes.dtype}."
        )
    return np.dtype({"b": bool}.get(kind, np.int64))


# Units


def _enter(g: Graph, units: Any, x: str) -> str:
    """Add (x - shift) / scale, far from the origin in double precision."""
    if units.is_identity:
        return x
    x, shift, scale, dtype = _with_constants(g, units, x)
    x = g.add("Div", g.add("Sub", x, shift), scale)
    return x if dtype == g.dtype.name else g.cast(x, g.dtype.name)


def _leave(g: Graph, units: Any, x: str) -> str:
    """Add shift + scale x."""
    if units.is_identity:
        return x
    x, shift, scale, dtype = _with_constants(g, units, x)
    x = g.add("Add", g.add("Mul", x, scale), shift)
    return x if dtype == g.dtype.name else g.cast(x, g.dtype.name)


def _with_constants(g: Graph, units: Any, x: str) -> tuple[str, str, str, str]:
    """Return x, shift and scale in the precision in which they are to meet, and that."""
    dtype = "float64" if units.is_far else g.dtype.name
    x = x if dtype == g.dtype.name else g.cast(x, dtype)
    shift, scale = (g.constant(c.numpy(), dtype) for c in (units.shift, units.scale))
    return x, shift, scale, dtype


# A map


def _mix_of_nodes(g: Graph, nodes: Any, z: str) -> str:
    """Add the sum of q~_k A_k, q~ being the softmax of z B_k - |B_k|^2 / 2."""
    exponents = g.linear(z, _array(nodes.B), -np.square(_array(nodes.B)).sum(axis=1) / 2)
    return _matrix(g, g.add("Softmax", exponents, axis=1), nodes.A)
