"""The record of one eager step, operation by operation, as a program that can be run again.

What autograd runs, forward and backward, are operations on plain tensors. A `TorchDispatchMode`
sees all of them go by while one ordinary step is taken; their list is a program from the inputs
of a step to its gradient. Running it again needs neither autograd nor the modules' Python code.

In that list a tensor is what it is in memory: storage, offset, shape and strides. Two with the
same are one value; views that change nothing vanish by that, and so do views of the parameters,
which always lie at the same place. Memory that outlives a step is passed by reference: what a
callback changes in a buffer is seen, and what a step adds to one stays.
"""

import functools

import torch
from torch import fx
from torch.overrides import TorchFunctionMode

from .._torch import DispatchMode, arguments_of, aten, place_of, storage_of

# Operations whose result depends on the shapes of their arguments only.
FACTORIES = {
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
    aten.new_full.default,
}
UNREPEATABLE = {
    torch.Tag.nondeterministic_seeded,
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
}


class Untraceable(Exception):
    """Raised where a step is more than repeatable operations on tensors that are known."""


class Recorder(DispatchMode):
    """Write down every operation, with its arguments and its result."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, result))
        return result


class OnlyTensors(TorchFunctionMode):
    """Refuse the ways out of torch that no operation shows: what follows may depend on numbers."""

    T = torch.Tensor
    EXITS = (T.numpy, T.tolist, T.__array__, T.__dlpack__)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.EXITS:
            raise Untraceable("numbers are read")
        return func(*args, **(kwargs or {}))


def tensors_in(tree):
    """Return the tensors of nested tuples, lists and dicts, in their order."""
    if torch.is_tensor(tree):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (tuple, list)):
        return []
    return [tensor for branch in tree for tensor in tensors_in(branch)]


def _written(func, args, kwargs):
    """Return the tensors that an operation changes in place."""
    named = dict(zip((argument.name for argument in arguments_of(func)), args, strict=False))
    named.update(kwargs)
    return [
        tensor
        for argument in arguments_of(func)
        if argument.is_write
        for tensor in tensors_in(named.get(argument.name))
    ]


class Program:
    """One step of one shape, as a graph of operations.

    Parameters
    ----------
    calls : list
        Of a `Recorder`.
    inputs : list of tensors
        What is new in each step.
    lasting : list of tensors
        Memory that stays where it is: parameters and buffers.
    frozen : list of tensors
        Those of them that a step must not change.
    gradient : list of pairs of tensors
        What the step computed, and the memory it belongs in.
    result : tensor
    simplifier : class
        As `Simplifier`: made with `_is_constant` and `_make_constant`, it replaces operations.
    """

    def __init__(self, calls, inputs, lasting, frozen, gradient, result, simplifier):
        written = [t for func, args, kwargs, _ in calls for t in _written(func, args, kwargs)]
        self._written = {storage_of(tensor) for tensor in written}
        if self._written & {storage_of(tensor) for tensor in [*frozen, *inputs]}:
            raise Untraceable("a parameter or an input is changed in place")

        self.graph, self.kept = fx.Graph(), []
        self._nodes, self._makers, self._same = {}, {}, {}
        self._simplifier = simplifier(self._is_constant, self._make_constant)
        self._constants, self._memory = set(), {storage_of(tensor) for tensor in lasting}
        for i, tensor in enumerate(inputs):
            self._nodes[place_of(tensor)] = self.graph.placeholder(f"input_{i}")
        if len(self._nodes) < len(inputs):
            raise Untraceable("two inputs are one tensor")
        self._begin = self.graph.call_function(tuple)  # what is kept stands before it
        for tensor in lasting:
            self._keep(tensor)
        for call in calls:
            self._append(*call)
        for computed, wanted in gradient:
            self._deliver(computed, wanted)
        self.graph.output(self._find(result))
        self._sweep()
        self.source = self.graph.python_code("self").src

    def _keep(self, tensor):
        """Pass a tensor by reference: the same one in every step."""
        place = place_of(tensor)
        if place not in self._nodes:
            with self.graph.inserting_before(self._begin):
                self._nodes[place] = self.graph.placeholder(f"kept_{len(self.kept)}")
            self.kept.append(tensor.detach())
        return self._nodes[place]

    def _find(self, tensor):
        if place_of(tensor) not in self._nodes:
            raise Untraceable("a tensor that is neither an input nor part of the module")
        return self._nodes[place_of(tensor)]

    def _append(self, func, args, kwargs, result):
        if UNREPEATABLE & set(func.tags) and not _takes_numbers(func, args):
            raise Untraceable(f"{func} is not the same twice")
        results, used = tensors_in(result), tensors_in((args, kwargs))
        writes = bool(_written(func, args, kwargs))
        if not writes:
            results = [t for t in results if place_of(t) not in self._nodes]
            if not results:
                return  # a view that changes nothing
            if self._is_lasting(func, used, results):
                for tensor in results:
                    self._keep(tensor)
                return
        is_pure = not self._written & set(map(storage_of, [*used, *results]))
        operation = func, args, kwargs
        if is_pure:
            operation = self._simplifier.simplify(*operation, result)
        if torch.is_tensor(operation):
            self._nodes[place_of(result)] = self._find(operation)
        else:
            self._call(operation, result, is_pure)

    def _call(self, operation, result, is_pure):
        """Add an operation to the graph, unless it is pure and there already."""
        func, *arguments = operation
        args, kwargs = fx.node.map_aggregate(arguments, self._to_argument)
        key = func, str(args), str(kwargs)
        node = self._same.get(key) if is_pure else None
        if node is None:
            node = self._same[key] = self.graph.call_function(func, args, kwargs)
            used = map(storage_of, tensors_in(arguments))
            if torch.is_tensor(result) and storage_of(result) not in used:
                self._makers[storage_of(result)] = node, result
        if torch.is_tensor(result):
            self._nodes.setdefault(place_of(result), node)
            return
        for i, tensor in enumerate(result or ()):
            if torch.is_tensor(tensor):
                self._nodes[place_of(tensor)] = self.graph.call_function(getitem, (node, i))

    def _to_argument(self, value):
        return self._find(value) if torch.is_tensor(value) else value

    def _is_lasting(self, func, used, results):
        """Whether the results are views of lasting memory, or the same numbers in every step."""
        storages = {storage_of(tensor) for tensor in results}
        if storages <= self._memory:
            return True
        same = func in FACTORIES or all(map(self._is_constant, used))
        if same and not storages & (self._written | {storage_of(tensor) for tensor in used}):
            for tensor in results:
                self._make_constant(tensor)
            return True
        return False

    def _is_constant(self, tensor):
        return storage_of(tensor) in self._constants

    def _make_constant(self, tensor):
        """Keep a tensor that holds the same numbers in every step, and return it."""
        self._constants.add(storage_of(tensor))
        self._memory.add(storage_of(tensor))
        self._keep(tensor)
        return tensor

    def _deliver(self, computed, wanted):
        """Put a part of the gradient where it belongs, if possible by computing it there."""
        node, made = self._makers.pop(storage_of(computed), (None, None))
        there = None if node is None else _shaped_like(made, computed, wanted)
        variant = None if there is None else _out_variant(node.target)
        if variant is None or storage_of(computed) in self._written:
            self.graph.call_function(
                aten.copy_.default, (self._keep(wanted), self._find(computed))
            )
        else:
            node.target, node.kwargs = variant, {**node.kwargs, "out": self._keep(there)}

    def _sweep(self):
        """Remove what nobody uses."""
        self.graph.erase_node(self._begin)
        self.graph.eliminate_dead_code()
        placeholders = [n for n in self.graph.nodes if n.name.startswith("kept_")]
        used = [bool(node.users) for node in placeholders]
        self.kept = [t for t, use in zip(self.kept, used, strict=True) if use]
        for node in placeholders:
            if not node.users:
                self.graph.erase_node(node)


def getitem(values, i):
    """Return one of several results."""
    return values[i]


def _shaped_like(made, computed, wanted):
    """Return `wanted` as `made` lies relative to `computed`, where they are the same numbers."""
    if place_of(made) == place_of(computed):
        return wanted
    if made.dim() == 2 and place_of(made.t()) == place_of(computed):
        return wanted.t()
    if made.numel() == computed.numel() and made.is_contiguous() and computed.is_contiguous():
        return wanted.view(made.shape)
    return None


def _takes_numbers(func, args):
    """Whether rows are picked by their numbers, not by a mask: then their count is known."""
    masks = (torch.bool, torch.uint8)
    return func is aten.index.Tensor and all(t.dtype not in masks for t in tensors_in(args[1]))


@functools.cache
def _out_variant(func):
    """Return the form of an operation that writes into given memory, or None."""
    names = [(a.name, str(a.type)) for a in arguments_of(func)]
    for overload in func.overloadpacket.overloads():
        variant = getattr(func.overloadpacket, overload)
        arguments = arguments_of(variant)
        own = [(a.name, str(a.type)) for a in arguments if not a.is_out]
        if own == names and [a.name for a in arguments if a.is_out] == ["out"]:
            return variant
    return None
