"""Cheaper ways to the same numbers, for one operation at a time of a recorded step.

Autograd's formulas are general: they multiply by ones, sum over dimensions of size one, convert
a number from double precision each time. On small networks each of these costs what a layer does.
"""

import torch

from .._torch import aten, place_of

# Operations on a tensor and a number or on two tensors, and the second argument that changes
# nothing; of a sum and a product the first as well.
NEUTRAL = {aten.add.Tensor: 0, aten.sub.Tensor: 0, aten.mul.Tensor: 1, aten.div.Tensor: 1}
COMMUTATIVE = (aten.add.Tensor, aten.mul.Tensor)
WITH_NUMBERS = {
    aten.add.Scalar: aten.add.Tensor,
    aten.sub.Scalar: aten.sub.Tensor,
    aten.mul.Scalar: aten.mul.Tensor,
    aten.div.Scalar: aten.div.Tensor,
}
REDUCTIONS = (aten.sum.dim_IntList, aten.mean.dim)


class Simplifier:
    """Replaces operations of which neither arguments nor results are changed in place later.

    Parameters
    ----------
    is_constant : callable
        Whether a tensor holds the same numbers in every step.
    make_constant : callable
        Makes it known that a new one does, and returns it.
    """

    def __init__(self, is_constant, make_constant):
        self.is_constant, self.make_constant = is_constant, make_constant
        self._made, self._scaled, self._expanded = {}, {}, {}

    def simplify(self, func, args, kwargs, result):
        """Return an equal operation (func, args, kwargs), or the tensor that its result is."""
        same = func, args, kwargs
        if not torch.is_tensor(result) or not result.is_floating_point() or kwargs:
            return same
        if func is aten.expand.default:
            self._expanded[place_of(result)] = args[0]
        elif func is aten.pow.Tensor_Scalar and args[1] == 1 and _is_like(args[0], result):
            return args[0]
        elif func is aten.neg.default:
            return self._arithmetic(aten.mul.Tensor, -1, *args, result)
        elif func is aten.stack.default and len(args[0]) == 1 and args[0][0].is_contiguous():
            return (aten.unsqueeze.default, (args[0][0], *(args[1:] or [0])), {})
        elif func is aten.rsub.Scalar and len(args) == 2:
            return self._arithmetic(aten.sub.Tensor, args[1], args[0], result)
        elif WITH_NUMBERS.get(func, func) in NEUTRAL and len(args) == 2:
            return self._arithmetic(WITH_NUMBERS.get(func, func), *args, result)
        elif func is aten.mean.default and args[0].dim() == 1 and len(args[0]):
            shares = self._full(args[0].shape, 1 / len(args[0]), result)
            return (aten.dot.default, (args[0], shares), {})
        elif func in REDUCTIONS and args[1] and args[0].dim():
            return self._reduction(func, *args, result=result)
        return same

    def _arithmetic(self, func, a, b, result):
        a, b = [y if torch.is_tensor(y) else self._full((), y, result) for y in (a, b)]
        if func is aten.mul.Tensor:
            a, b = self._scale_once(a, b, result)
        for x, c in ((a, b), (b, a)) if func in COMMUTATIVE else ((a, b),):
            if self.is_constant(c) and bool((c == NEUTRAL[func]).all()) and _is_like(x, result):
                return x
        if a.dtype != b.dtype:
            pass  # a tensor without dimensions would decide otherwise what the result is
        elif a.shape == result.shape:
            b = self._expanded.get(place_of(b), b)
        elif b.shape == result.shape:
            a = self._expanded.get(place_of(a), a)
        return (func, (a, b), {})

    def _scale_once(self, a, b, result):
        """Return the factors of c (s x), for constants c and s, as c s and x."""
        for c, y in ((a, b), (b, a)):
            if self.is_constant(c):
                s, x = self._scaled.get(place_of(y), (None, y))
                c = c if s is None else self.make_constant(c * s)
                self._scaled[place_of(result)] = c, x
                return c, x
        return a, b

    def _reduction(self, func, x, dims, keepdim=False, *, result):
        """Return a sum as a view, where it adds nothing up, or as a product with ones."""
        if all(x.shape[dim] == 1 for dim in dims) and x.is_contiguous():
            if _is_like(x, result):
                return x
            return (aten.view.default, (x, list(result.shape)), {})
        if func is aten.sum.dim_IntList and x.dim() == 2 and x.dtype == result.dtype:
            if list(dims) == [0] and keepdim:
                return (aten.mm.default, (self._full((1, len(x)), 1, result), x), {})
            if list(dims) in ([1], [-1]) and not keepdim:
                return (aten.mv.default, (x, self._full(x.shape[1:], 1, result)), {})
        return (func, (x, dims, keepdim), {})

    def _full(self, shape, number, like):
        """Return a constant in the precision in which it is needed."""
        key = tuple(shape), number, like.dtype
        if key not in self._made:
            full = torch.full(shape, number, dtype=like.dtype, device=like.device)
            self._made[key] = self.make_constant(full)
        return self._made[key]


def _is_like(x, result):
    return (x.shape, x.stride(), x.dtype) == (result.shape, result.stride(), result.dtype)
