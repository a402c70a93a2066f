"""The fast path: an eager step is written down once, operation by operation, and replayed.

What autograd runs, forward and backward, are operations on plain tensors. A `TorchDispatchMode`
sees all of them go by while one ordinary step is taken; their list is a program from the inputs
of a step to its gradient. Running it again needs neither autograd nor the modules' Python code.

In that list a tensor is what it is in memory: storage, offset, shape and strides. Two with the
same are one value; views that change nothing vanish by that, and so do views of the parameters,
which always lie at the same place. Memory that outlives a step is passed by reference: what a
callback changes in a buffer is seen, and what a step adds to one stays.
"""

import functools
import threading
import warnings

import torch
from torch import fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

# Steps of one shape from which on a program pays: writing one down costs 10 to 120 ms.
WORTH = 100

N_PROGRAMS = 256  # compiled ones kept in the process
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # of the first replay

# Operations whose result depends on the shapes of their arguments only.
FACTORIES = {
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
    aten.new_full.default,
}
PLAIN = (bool, int, float, str)  # settings that are compared by value, others by identity
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_post_accumulate_grad_hooks",
)
UNREPEATABLE = {
    torch.Tag.nondeterministic_seeded,
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
}


class Untraceable(Exception):
    """Raised where a step is more than repeatable operations on tensors that are known."""


class Recorder(TorchDispatchMode):
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

    EXITS = (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__)

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


def _storage(tensor):
    return tensor.untyped_storage()._cdata


def _place(tensor):
    """Return what makes two tensors the same value."""
    return (
        _storage(tensor),
        tensor.storage_offset(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
    )


def _written(func, args, kwargs):
    """Return the tensors that an operation changes in place."""
    named = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False))
    named.update(kwargs)
    return [
        tensor
        for argument in func._schema.arguments
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
    """

    def __init__(self, calls, inputs, lasting, frozen, gradient, result):
        written = [t for func, args, kwargs, _ in calls for t in _written(func, args, kwargs)]
        self._written = {_storage(tensor) for tensor in written}
        if self._written & {_storage(tensor) for tensor in [*frozen, *inputs]}:
            raise Untraceable("a parameter or an input is changed in place")

        self.graph, self.kept = fx.Graph(), []
        self._nodes, self._makers, self._scaled = {}, {}, {}
        self._constants, self._memory = set(), {_storage(tensor) for tensor in lasting}
        for i, tensor in enumerate(inputs):
            self._nodes[_place(tensor)] = self.graph.placeholder(f"input_{i}")
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

    def _keep(self, tensor):
        """Pass a tensor by reference: the same one in every step."""
        place = _place(tensor)
        if place not in self._nodes:
            with self.graph.inserting_before(self._begin):
                self._nodes[place] = self.graph.placeholder(f"kept_{len(self.kept)}")
            self.kept.append(tensor.detach())
        return self._nodes[place]

    def _find(self, tensor):
        if _place(tensor) not in self._nodes:
            raise Untraceable("a tensor that is neither an input nor part of the module")
        return self._nodes[_place(tensor)]

    def _append(self, func, args, kwargs, result):
        if UNREPEATABLE & set(func.tags) and not _takes_numbers(func, args):
            raise Untraceable(f"{func} is not the same twice")
        results, used = tensors_in(result), tensors_in((args, kwargs))
        writes = bool(_written(func, args, kwargs))
        if not writes:
            results = [t for t in results if _place(t) not in self._nodes]
            if not results:
                return  # a view that changes nothing
            if self._is_lasting(func, used, results):
                for tensor in results:
                    self._keep(tensor)
                return
        if func is aten.mul.Scalar and torch.is_floating_point(result):
            self._scaled[_place(result)] = args
        elif func is aten.mul.Tensor:
            args = self._scale_once(*args)
        node = self.graph.call_function(
            func, *fx.node.map_aggregate((args, kwargs), self._to_argument)
        )
        if not torch.is_tensor(result):
            for i, tensor in enumerate(result or ()):
                if torch.is_tensor(tensor):
                    self._nodes[_place(tensor)] = self.graph.call_function(getitem, (node, i))
            return
        if not writes and func is aten.pow.Tensor_Scalar and args[1] == 1:
            node = self._find(args[0])
        elif not writes and _storage(result) not in map(_storage, used):
            self._makers[_storage(result)] = node, result
        self._nodes.setdefault(_place(result), node)

    def _scale_once(self, a, b):
        """Return the factors of c (s x), for a constant c and a number s, as (s c) and x."""
        for c, y in ((a, b), (b, a)):
            if torch.is_tensor(y) and _place(y) in self._scaled and self._is_constant(c):
                x, s = self._scaled[_place(y)]
                if _storage(x) not in self._written:
                    c = c * s
                    self._call_constant([c])
                    return c, x
        return a, b

    def _to_argument(self, value):
        return self._find(value) if torch.is_tensor(value) else value

    def _is_lasting(self, func, used, results):
        """Whether the results are views of lasting memory, or the same numbers in every step."""
        storages = {_storage(tensor) for tensor in results}
        if storages <= self._memory:
            return True
        same = func in FACTORIES or all(map(self._is_constant, used))
        if same and not storages & (self._written | {_storage(tensor) for tensor in used}):
            self._call_constant(results)
            return True
        return False

    def _is_constant(self, tensor):
        return _storage(tensor) in self._constants

    def _call_constant(self, tensors):
        for tensor in tensors:
            self._constants.add(_storage(tensor))
            self._memory.add(_storage(tensor))
            self._keep(tensor)

    def _deliver(self, computed, wanted):
        """Put a part of the gradient where it belongs, if possible by computing it there."""
        node, made = self._makers.pop(_storage(computed), (None, None))
        there = None if node is None else _shaped_like(made, computed, wanted)
        variant = None if there is None else _out_variant(node.target)
        if variant is None or _storage(computed) in self._written:
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
    if _place(made) == _place(computed):
        return wanted
    if made.dim() == 2 and _place(made.t()) == _place(computed):
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
    names = [(a.name, str(a.type)) for a in func._schema.arguments]
    for overload in func.overloadpacket.overloads():
        variant = getattr(func.overloadpacket, overload)
        arguments = variant._schema.arguments
        own = [(a.name, str(a.type)) for a in arguments if not a.is_out]
        if own == names and [a.name for a in arguments if a.is_out] == ["out"]:
            return variant
    return None


_functions: dict = {}  # the source of a program to what runs it, for every fit in the process
_lock = threading.Lock()


def compiled(program, arguments):
    """Return a function that runs the program; running it once on `arguments` may be part of it.

    TorchScript's interpreter costs half of Python's time for each operation.
    """
    source = program.graph.python_code("self").src
    with _lock:
        function = _functions.pop(source, None)
    if function is None:
        plain = fx.GraphModule({}, program.graph).forward
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                function = torch.jit.trace(
                    lambda *tensors: plain(*tensors), arguments, check_trace=False
                )
        except Exception:  # whatever it may be: the same in Python
            function = plain
    with _lock:
        _functions[source] = function  # at the end: the one used last
        if len(_functions) > N_PROGRAMS:
            del _functions[next(iter(_functions))]
    return function


class Replay:
    """The steps of a module, by shape: taken eagerly once, then replayed.

    Parameters
    ----------
    module : nn.Module
        Its trainable parameters have a ``grad`` that stays where it is.
    take : callable
        ``take(batch, draws)`` returns a dict: the loss, and names and values of its terms.
    """

    def __init__(self, module, take):
        self.module, self.take = module, take
        self._state, self._programs = (), {}

    def begin_epoch(self):
        """Forget what was written down if the module is no longer the same."""
        state = _state_of(self.module)
        if not _is_same(state, self._state):
            self._state, self._programs = state, {}
        self._is_watched = torch.is_anomaly_enabled() or _is_hooked(self.module)

    def __call__(self, batch, draws):
        """Compute the gradient of a step in place; return names and values of its terms.

        None, and nothing computed, where it takes an eager step.
        """
        if self._is_watched:
            return None
        inputs = tensors_in((batch, draws))
        shapes = tuple([(tensor.shape, tensor.stride()) for tensor in inputs])
        if shapes not in self._programs:
            self._programs[shapes] = None
            return self._write_down(shapes, batch, draws, inputs)
        if self._programs[shapes] is None:
            return None
        names, function, kept = self._programs[shapes]
        with torch.inference_mode():
            return {"names": names, "values": function(*inputs, *kept)}

    def _write_down(self, shapes, batch, draws, inputs):
        """Take an eager step; keep its program if that gives the same result."""
        parameters = list(self.module.parameters())
        trainable = [p for p in parameters if p.requires_grad]
        buffers = list(self.module.buffers())
        before = [buffer.clone() for buffer in buffers]
        try:
            with Recorder() as recorder, OnlyTensors():
                step = self.take(batch, draws)
                gradient = torch.autograd.grad(step["loss"], trainable, allow_unused=True)
        except Exception:  # nobody's fault, or one that the eager step will show
            _copy(before, buffers)
            return None
        for p in parameters:
            if p.grad is not None:
                p.grad.zero_()  # for good, where the step does not reach
        parts = [(g, p.grad) for g, p in zip(gradient, trainable, strict=True) if g is not None]
        after = [buffer.clone() for buffer in buffers]
        try:
            program = Program(
                recorder.calls, inputs, [*parameters, *buffers], parameters, parts, step["values"]
            )
            arguments = (*inputs, *program.kept)
            _copy(before, buffers)
            function = compiled(program, arguments)
            _copy(before, buffers)
            again = function(*arguments)
            pairs = [*parts, (step["values"], again), *zip(after, buffers, strict=True)]
            if all(_is_close(a, b) for a, b in pairs):
                self._programs[shapes] = step["names"], function, program.kept
        except Exception:  # whatever is out of the ordinary stays eager
            pass
        _copy(after, buffers)
        for computed, wanted in parts:
            wanted.copy_(computed)
        return step


def _copy(sources, targets):
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)


def _is_close(a, b):
    if not a.is_floating_point() or not a.numel():
        return torch.equal(a, b)
    return bool((a - b).abs().max() <= TOLERANCE.get(a.dtype, 0.0) * a.abs().max())


def _state_of(module):
    """Return what a program takes for granted: switches, settings, where memory lies."""
    state = [torch.is_autocast_enabled("cpu")]
    for part in module.modules():
        for value in vars(part).values():
            value = list(value.values()) if isinstance(value, dict) else value
            state += value if isinstance(value, (list, tuple)) else [value]
        for tensor in (*part._parameters.values(), *part._buffers.values()):
            if tensor is not None:
                state += [tensor, tensor.data_ptr(), tensor.requires_grad]
    return state


def _is_same(state, other):
    return len(state) == len(other) and all(
        a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b)
        for a, b in zip(state, other, strict=True)
    )


def _is_hooked(module):
    """Whether somebody else's code runs in a step, which a replay would leave out."""
    tables = [
        getattr(part, name, None)
        for part in (*module.modules(), *module.parameters())
        for name in HOOKS
    ]
    return any(tables) or torch.nn.modules.module._has_any_global_hook()
