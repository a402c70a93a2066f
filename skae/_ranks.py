"""The processes that train one model together, called ranks: what they tell each other.

Inside `together` each function here waits until all ranks have called it, in the same order.
Outside, where one process trains alone, it returns what it is given: rooms that ask for sums over
ranks need not know whether there are any.
"""

import time
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import distributed

from ._torch import default_store, timeout_of
from .exceptions import RankError

PATIENCE = 1.0  # seconds in which a rank that is alive says so, once another has failed

_group: ContextVar = ContextVar("skae_ranks", default=None)


class Group:
    """A process group for one fit, of all ranks of the user's own.

    It is dropped as soon as one rank leaves the fit with an error: that ends the waiting of the
    others, while the user's group stays as it is.
    """

    def __init__(self):
        if not (distributed.is_available() and distributed.is_initialized()):
            raise ValueError(
                "distributed=True trains with the other processes of torch.distributed's process "
                "group, and there is none. Call torch.distributed.init_process_group('gloo') "
                "before fit, in a script that torchrun starts: torchrun --nproc-per-node 2 fit.py"
                "; or set distributed=False."
            )
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        is_nccl = distributed.get_backend() == "nccl"  # which knows no other memory
        self.device = torch.device("cuda", torch.cuda.current_device()) if is_nccl else None
        self.handle = None
        self.key = "skae/error before a fit"
        self.handle = self.call(distributed.new_group, timeout=timeout_of(distributed.group.WORLD))
        self.key = f"skae/error in {self.handle.group_name}"
        # None may fail, and leave, while another still connects.
        self.sum_in_place(torch.zeros(1, device="cpu"))

    def call(self, function, *args, **kwargs):
        """Call a function of torch.distributed; say what has become of the others if it fails."""
        if self.handle is not None:
            kwargs["group"] = self.handle
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            self.close()  # others may wait for this rank alone
            raise RankError(self._explain(error)) from error

    def sum_in_place(self, tensor, kind="SUM"):
        """Reduce a tensor over the ranks."""
        there = tensor if self.device is None else tensor.to(self.device)
        self.call(distributed.all_reduce, there, op=getattr(distributed.ReduceOp, kind))
        if there is not tensor:
            tensor.copy_(there)
        return tensor

    # Errors

    def tell(self, error):
        """Leave word of an error for the other ranks, unless there is word of another."""
        store = default_store()
        if store is None or isinstance(error, RankError):
            return
        words = f"{type(error).__name__}: {error}".rstrip(": ")
        try:
            store.compare_set(self.key, "", f"Rank {self.rank} of {self.size} has failed: {words}")
        except RuntimeError:  # the rank that keeps the store is gone
            return

    def _explain(self, error):
        """Return what is known of the rank that does not answer."""
        advice = "This fit cannot go on without it: start all ranks again."
        store = default_store()
        silent = f"Rank {1 - self.rank} of 2" if self.size == 2 else "Another rank"
        try:
            if store is not None and store.check([self.key]):
                return f"{store.get(self.key).decode().rstrip('.')}. {advice}"
            if store is not None and self.size > 2:
                silent = self._find_silent(store)
        except RuntimeError:  # the rank that keeps the store is gone
            pass
        return (
            f"{silent} does not answer: its process has ended, or does not come to the same step "
            f"of the same fit in time. {advice} torch says: {error}"
        )

    def _find_silent(self, store):
        """Return which rank gives no sign of life, in words."""
        signs = [f"{self.key}, rank {rank} is there" for rank in range(self.size)]
        store.set(signs[self.rank], "")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            missing = [rank for rank, sign in enumerate(signs) if not store.check([sign])]
            if len(missing) <= 1:
                break
            time.sleep(0.05)
        return f"Rank {missing[0]} of {self.size}" if missing else "Another rank"

    def close(self):
        """End the connections of this fit."""
        if self.handle is not None:
            handle, self.handle = self.handle, None
            distributed.destroy_process_group(handle)


@contextmanager
def together(is_shared):
    """Let what is called inside be one fit of all ranks, or with False one of this process."""
    group = Group() if is_shared else None
    token = _group.set(group)
    try:
        yield
    except BaseException as error:
        if group is not None:
            group.tell(error)
        raise
    finally:
        _group.reset(token)
        if group is not None:
            group.close()


def is_shared():
    """Whether other ranks take part in the fit."""
    return _group.get() is not None


def rank():
    """Return the number of this rank; alone it is 0."""
    return 0 if _group.get() is None else _group.get().rank


def n_ranks():
    """Return how many ranks there are."""
    return 1 if _group.get() is None else _group.get().size


def sum_in_place(tensor):
    """Make a tensor the sum over the ranks."""
    return tensor if _group.get() is None else _group.get().sum_in_place(tensor)


def total(*values):
    """Return the sum over the ranks of numbers, arrays or tensors, each as it was given.

    Of one value it is the sum, of several a list. They are added up in double precision.
    """
    return _reduced(values, "SUM")


def smallest(*values):
    """Return the least over the ranks, as `total` does the sum."""
    return _reduced(values, "MIN")


def largest(*values):
    """Return the largest over the ranks, as `total` does the sum."""
    return _reduced(values, "MAX")


def _reduced(values, kind):
    if _group.get() is not None:
        parts = [torch.as_tensor(value).detach().double().cpu() for value in values]
        flat = torch.cat([part.reshape(-1) for part in parts])
        flat = _group.get().sum_in_place(flat, kind).split([part.numel() for part in parts])
        found = [new.view(part.shape) for new, part in zip(flat, parts, strict=True)]
        values = [_like(new, value) for new, value in zip(found, values, strict=True)]
    return values[0] if len(values) == 1 else list(values)


def _like(tensor, value):
    """Return a tensor in the form of another value."""
    if torch.is_tensor(value):
        return tensor.to(value)
    if isinstance(value, np.ndarray):
        return tensor.numpy().astype(value.dtype)
    return type(value)(tensor.item())


def any_rank(is_so):
    """Whether something is so on one rank at least."""
    return bool(largest(float(is_so)))


def gather(value):
    """Return what each rank has, a list of anything that can be pickled, by rank."""
    group = _group.get()
    if group is None:
        return [value]
    found = [None] * group.size
    group.call(distributed.all_gather_object, found, value)
    return found


def from_rank(value, source=0):
    """Return what one rank has, anything that can be pickled."""
    group = _group.get()
    if group is None:
        return value
    found = [value if group.rank == source else None]
    group.call(distributed.broadcast_object_list, found, src=source)
    return found[0]
