"""What a program is made from, in a form that shows whether it was made before.

To turn a record into a program takes several times as long as the step itself, and most fits of a
process train a network like one before. What `Program` makes of a record follows from operations,
numbers, and how tensors lie in memory relative to each other; neither from where they lie nor from
what they hold. The pattern of a record is all of this: with equal patterns a program that was made
before is the program, on the tensors that stand in the same places.
"""

from typing import NamedTuple

import torch

from .._torch import place_of, storage_of

NUMBERS = (bool, int, float, complex, str, type(None))
SETTINGS = (torch.dtype, torch.device, torch.layout, torch.memory_format)
CONSTANT_BYTES = 2**16  # of the constants of a program that is remembered


class Unknown(Exception):
    """Raised where a pattern does not say all of what a program would be made from."""


class Pattern:
    """The pattern of a record.

    Parameters
    ----------
    calls : list
        Of a `Recorder`.
    *tensors : nested lists of tensors
        The others that `Program` is made from, in its order.

    Attributes
    ----------
    key : tuple
        Words for operations and numbers, with their types; for a tensor what it is like and where
        it lies, or its number in `tensors` where it has come before.
    tensors : list of tensors
        In the order in which they come.
    """

    def __init__(self, calls, *tensors):
        self.tensors, self._numbers, self._storages, self._words = [], {}, {}, []
        for func, args, kwargs, result in calls:
            name = str(func)
            if not name.startswith("aten."):  # who knows what a constant depends on there
                raise Unknown(name)
            self._words.append(name)
            self._describe((args, kwargs, result))
        self._describe(tensors)
        self.key = tuple(self._words)

    def _describe(self, value):
        if isinstance(value, torch.Tensor):
            known = self._numbers.get(id(value))
            self._words.append(self._introduce(value) if known is None else known)
        elif isinstance(value, (tuple, list)):
            self._words.append("(")
            for part in value:
                self._describe(part)
            self._words.append(")")
        elif isinstance(value, dict):
            self._describe(list(value.items()))
        elif type(value) in NUMBERS or isinstance(value, SETTINGS):
            self._words.append(repr(value))
        else:
            raise Unknown(value)

    def _introduce(self, tensor):
        """Give a tensor a number; return all that is to be known of it."""
        self._numbers[id(tensor)] = len(self.tensors)
        self.tensors.append(tensor)
        storage, *others = place_of(tensor)
        memory = self._storages.setdefault(storage, len(self._storages))
        return memory, *others, tensor.device


class Made(NamedTuple):
    """How the program of one record is made into that of another with the same pattern.

    Parameters
    ----------
    source : str
        Of the program.
    kept : list
        For each tensor that it keeps, a constant of its own; or the number of a tensor of the
        record in the same memory, with shape, stride and offset in that.
    """

    source: str
    kept: list

    def find_kept(self, tensors):
        """Return what the program keeps, given the tensors of another record."""
        return [k if torch.is_tensor(k) else _view(tensors[k[0]], *k[1:]) for k in self.kept]


def _view(tensor, *where):
    return tensor.detach().as_strided(*where)


def remember(source, kept, tensors):
    """Return how to find what a program keeps; None where that would hold much memory.

    Parameters
    ----------
    source : str
    kept : list of tensors
    tensors : list of tensors
        Of the pattern.
    """
    numbers = {(storage_of(t), t.dtype): i for i, t in reversed([*enumerate(tensors)])}
    ways = [_way_to(tensor, numbers) for tensor in kept]
    own = [way for way in ways if torch.is_tensor(way)]
    return Made(source, ways) if sum(t.nbytes for t in own) <= CONSTANT_BYTES else None


def _way_to(tensor, numbers):
    number = numbers.get((storage_of(tensor), tensor.dtype))
    if number is None:
        return tensor
    return number, tensor.shape, tensor.stride(), tensor.storage_offset()
