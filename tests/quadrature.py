"""The exact log-likelihood of a model with a code of two numbers: a sum over a grid of codes."""

import numpy as np
import torch

from skae.estimator.evidence import log_volume

REACH, N_POINTS = 12.0, 201


def log_likelihood(model, X, condition=None):
    """Return log p(x | c) of each row under one condition, in the units of X."""
    axis = torch.linspace(-REACH, REACH, N_POINTS, dtype=torch.float64)
    log_cell = 2 * torch.log(axis[1] - axis[0])
    z = torch.cartesian_prod(axis, axis)
    module = model._module_in(torch.float64)
    x = model._units.enter(torch.from_numpy(_beside(model, X, condition)), torch.float64)
    with torch.inference_mode():
        x, c = module.split(x)
        c = None if c is None else c[:1]
        p_x, log_p_z = module.p_x(z, c), module.p_z(c).log_prob(z) + log_cell
        assert torch.logsumexp(log_p_z, 0).abs() < 1e-6  # the grid misses nothing of the prior
        found = [(p_x.log_prob(row) + log_p_z).logsumexp(0) for row in x]
    return torch.stack(found).numpy() - log_volume(model, module, x)


def _beside(model, X, condition):
    if condition is None:
        return X
    return model._to_table(X, reset=False, condition=[condition] * len(X))[:]


def check_bounds(model, exact, score, n_seeds=20):
    """Check that estimated bounds are bounds: over seeds of the draws, for one fitted model.

    `score` returns the scores of the rows whose exact mean is given, for a number of draws.
    """
    n_draws, seed = [1, 4, 16, 64], model._seed
    found = np.empty((n_seeds, len(n_draws)))
    for model._seed in range(n_seeds):
        found[model._seed] = [score(n).mean() for n in n_draws]
    model._seed = seed
    means, deviations = found.mean(axis=0), found.std(axis=0, ddof=1)
    assert (means < exact + 2 * deviations / n_seeds**0.5).all()
    assert (np.diff(means) > 0).all()
    assert deviations[2] < 0.05
    return means
