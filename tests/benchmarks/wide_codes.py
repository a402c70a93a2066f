"""One step of a wide top-k code: everything multiplied, or only what is active.

    python tests/benchmarks/wide_codes.py

`WIDE` in `skae/models/sparse.py`, the ratio of units to active units from which only what is
active is multiplied, comes from here.
"""

import time

import torch

import skae.models.sparse
from skae.models.sparse import SparseModule
from skae.nn.networks import MLP

SHAPES = [(64, 1024, 16), (64, 4096, 16), (784, 1024, 32), (784, 4096, 32), (784, 16384, 32)]


def seconds_per_step(n_features, n_components, n_active, wide, n_steps=5):
    """Return the time of forward and backward of a batch of 256 rows."""
    skae.models.sparse.WIDE = 0 if wide else 10**9
    generator = torch.Generator().manual_seed(0)
    module = SparseModule(
        MLP(n_features, (), n_components, generator=generator),
        MLP(n_components, (), n_features, unit_norm=True, generator=generator),
        sparsity="topk",
        penalty=0.0,
        n_active=n_active,
        rho=0.05,
        n_components=n_components,
    )
    x = torch.randn(256, n_features, generator=generator)
    for step in range(n_steps + 1):
        if step == 1:  # the first one warms up
            start = time.perf_counter()
        module.zero_grad()
        module(x)["reconstruction"].mean().backward()
    return (time.perf_counter() - start) / n_steps


def main():
    print(f"{'features':>8}{'units':>8}{'active':>8}{'ratio':>8}{'all ms':>9}{'active ms':>11}")
    for n_features, n_components, n_active in SHAPES:
        everything, active = (
            1000 * seconds_per_step(n_features, n_components, n_active, wide)
            for wide in (False, True)
        )
        ratio = n_components // n_active
        print(
            f"{n_features:>8}{n_components:>8}{n_active:>8}{ratio:>8}"
            f"{everything:>9.1f}{active:>11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
