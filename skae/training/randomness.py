"""Random numbers of our own: one generator per purpose, the user's generators untouched."""

import hashlib
import os
import secrets
import threading
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from sklearn.utils import check_random_state

# The order is part of what a seed means: append, never reorder.
PURPOSES = (
    "initialisation",
    "split",
    "shuffling",
    "dropout",
    "noise",
    "evaluation",
    "sample",
    "score",
    "corruption",
    "own",  # of a variant that is not part of the package
    "trial",
    "prefixes",
)

# What a module's `draw` may draw from in a step.
DRAWN = ("dropout", "noise", "corruption", "prefixes", "own")

# Drawn from on the CPU whatever the device, so that a seed gives the same start everywhere.
HOST_PURPOSES = ("initialisation", "split", "score", "trial")

_global_generator_lock = threading.RLock()


def _renew_lock():
    """Replace the lock in a forked process: a thread that it does not have may have held it."""
    global _global_generator_lock
    _global_generator_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def draw_seed(random_state):
    """Return an integer seed: from `random_state`, or from the system's entropy for None."""
    if random_state is None:
        return secrets.randbits(31)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


class Generators(dict):
    """Generators by purpose, as `draw` is given them."""

    def __missing__(self, purpose):
        raise KeyError(
            f"There is no purpose {purpose!r}. What a module draws is for 'dropout', 'noise' or "
            "'corruption', or its 'own'."
        )


def make_generator(seed, purpose, device="cpu"):
    """Return the torch generator of one purpose; no two purposes share a stream.

    Parameters
    ----------
    seed : int
        As `draw_seed` and `seed_for_samples` return it.
    purpose : str
        One of `PURPOSES`: ``"sample"`` for new rows, ``"own"`` for what is of a variant alone.
    device : str or torch.device, default="cpu"
        Where it draws; some purposes draw on the CPU whatever the device.

    Returns
    -------
    generator : torch.Generator
        On the device, with the state that follows from seed and purpose.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),))
    generator = torch.Generator("cpu" if purpose in HOST_PURPOSES else device)
    generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def make_generators(seed, device="cpu"):
    """Return a dict with the generator of every purpose."""
    return Generators((purpose, make_generator(seed, purpose, device)) for purpose in PURPOSES)


def make_random_state(seed, purpose, *times):
    """Return the numpy twin of `make_generator`, for what scikit-learn draws on our behalf.

    Parameters
    ----------
    seed : int
        As `draw_seed` and `seed_for_samples` return it.
    purpose : str
        One of `PURPOSES`: ``"sample"`` for new rows, ``"own"`` for what is of a variant alone.
    *times : int
        Tell apart the streams of one purpose that is served again and again.

    Returns
    -------
    random_state : numpy.random.RandomState
        With the state that follows from seed, purpose and times.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose), *times))
    return np.random.RandomState(sequence.generate_state(4))


def part_ways(generators, rank):
    """Give the generators of a rank streams of their own, but for what all have to draw alike.

    They follow from where the generators stand, which is the same on all ranks; the first goes on
    as it is.
    """
    for purpose in (*DRAWN, "shuffling") if rank else ():
        state = generators[purpose].get_state().numpy().tobytes()
        digest = hashlib.blake2b(state, digest_size=8, salt=str(rank).encode()).digest()
        generators[purpose].manual_seed(int.from_bytes(digest, "little") >> 1)


@contextmanager
def seeded_global_generator(generator):
    """Seed torch's global generator from ours for a while, then give it back as it was.

    Networks that users bring draw from the global generator, which threads share: hence the lock.
    """
    devices = [generator.device] if generator.device.type == "cuda" else []
    with _global_generator_lock, torch.random.fork_rng(devices):
        draw = torch.randint(2**62, (), generator=generator, device=generator.device)
        torch.manual_seed(int(draw))
        yield


def global_generator_for(module, generator):
    """Seed the global generator from ours if the module may draw from it, else do nothing."""
    return seeded_global_generator(generator) if module.draws_globally else nullcontext()
