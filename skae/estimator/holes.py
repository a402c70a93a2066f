r"""The linear Gaussian model at its maximum likelihood, of rows of which some cells are missing.

By expectation maximisation, as Rubin and Thayer 1982 for factor analysis: given the observed
cells of each row the code z is Gaussian (see `nn.holes`), and given moments of z each column is
regressed, over the rows in which it is observed, on z, the conditions and 1. As in the PX-EM of
Liu, Rubin and Wu 1998 the covariance of z is free in a step and taken into W after it; and two
steps are prolonged by the SQUAREM of Varadhan and Roland 2008. Both make them far fewer.
"""

from typing import NamedTuple

import torch

from .. import _ranks
from ..data.moments import principal_components
from ..data.regression import Residuals, regress
from ..data.sources import ChosenRows
from ..data.tables import CELLS, iter_chunks
from ..nn.holes import cholesky, condition
from ..nn.linear_gaussian import probabilistic_pca
from ..training.convergence import is_finite

MOST_ROWS = 20000  # that the model is learnt from
TOLERANCE = 2e-6  # in nats of a row; three or four steps are judged together
ROUGHLY = 1e-3  # where models are compared by more than that
FEWEST_STEPS, MOST_STEPS, MOST_WORK = 60, 600, 5e9  # in multiply-adds
RIDGE = 1e-6  # one-hot labels add up to the constant


class LinearModel(NamedTuple):
    """x = W z + b + A c + e, see `nn.holes.LinearGaussian` for the parts."""

    loadings: torch.Tensor
    noise: torch.Tensor
    mean: torch.Tensor
    slopes: torch.Tensor


class Moments(NamedTuple):
    """Weighted sums over rows, expected given their observed cells; u = (z, 1, c).

    `square` (d, p, p) of u u^T, `cross` (d, p) of x u and `squares` (d,) of x^2 are over the rows
    in which a column is observed, of the weight `counts` (d,); `of_codes` (k, k) of z z^T and
    `log_density` over all, of the weight `total`.
    """

    square: torch.Tensor
    cross: torch.Tensor
    squares: torch.Tensor
    counts: torch.Tensor
    of_codes: torch.Tensor
    log_density: torch.Tensor
    total: torch.Tensor

    @property
    def mean_log_density(self):
        """Mean of log p(x_o) over rows, in nats."""
        return float(self.log_density / self.total)


class Filled:
    """Rows with the mean of the column in place of a missing cell."""

    is_sparse = False

    def __init__(self, rows, mean):
        self.rows, self.mean, self.shape = rows, mean, rows.shape

    def __len__(self):
        return len(self.rows)

    def span(self, rows):
        """Return a slice of rows."""
        x = self.rows.span(rows)
        mean = torch.zeros(x.shape[1], dtype=x.dtype, device=x.device)
        mean[: len(self.mean)] = self.mean.to(x)
        return torch.where(x.isnan(), mean, x)


def fit_linear_model(
    rows, weights, mean, n_components, to_noise, least, generator, tolerance=TOLERANCE
):
    """Return the `LinearModel` of rows with holes.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
        In the network's units; what stands behind the columns of `mean` are conditions.
    weights : tensor of shape (n_samples,) or None
    mean : tensor of shape (n_features,)
        Of what is observed.
    n_components : int
    to_noise : callable
        Of the sums of squares that each column leaves, and of its weights; returns the noise
        variances, (n_features,).
    least : float
        What these are at least.
    generator : torch.Generator
        Chooses rows where they are many.
    tolerance : float
        What steps are not to be taken for, in nats of a row.
    """
    rows, weights = some_of(rows, weights, generator)
    start = _start(rows, weights, mean, n_components, generator)

    def step(model):
        moments = expect(rows, weights, model)
        return moments.mean_log_density, _maximise(moments, n_components, to_noise)

    n_numbers = start.slopes.shape[1] + n_components + 1
    work = _ranks.total(len(rows)) * len(mean) * n_numbers**2
    n_steps = int(min(MOST_STEPS, max(FEWEST_STEPS, MOST_WORK / work)))
    return climb(step, start, least, n_steps, tolerance)


def climb(step, model, least, n_steps, tolerance):
    """Return what steps that raise a value make of a model, prolonged where that is better.

    Steps end where rounding leaves no finite result; the last finite model is returned.

    Parameters
    ----------
    step : callable
        Of a `LinearModel`; returns its value, and a better one.
    model : LinearModel
    least : float
        What noise variances are at least.
    n_steps : int
        At most, about.
    tolerance : float
    """
    value, first = step(model)
    if not is_finite(first):
        return model
    for _ in range(n_steps // 3):
        middle, second = step(first)
        longer = _prolong(model, first, second)
        longer = longer._replace(noise=longer.noise.clamp_min(least))
        found, after = step(longer)
        if not found >= middle:
            longer = second
            found, after = step(second)
        if not is_finite(after):
            break
        gain, value, model, first = found - value, found, longer, after
        if gain < tolerance:
            break
    return first


def _prolong(*models):
    """Return where three models on a way lead to."""
    before, middle, after = map(_to_vector, models)
    pace = middle - before
    bend = after - middle - pace
    length = max(1.0, float(pace.norm() / bend.norm().clamp_min(1e-300)))
    return _to_model(before + 2 * length * pace + length**2 * bend, models[0])


def _to_vector(model):
    parts = model._replace(noise=model.noise.log())
    return torch.cat([part.flatten() for part in parts])


def _to_model(vector, like):
    parts = vector.split([part.numel() for part in like])
    model = LinearModel(*(p.reshape(q.shape) for p, q in zip(parts, like, strict=True)))
    return model._replace(noise=model.noise.exp())


def some_of(rows, weights, generator):
    """Return at most `MOST_ROWS` rows and their weights, of several ranks together."""
    most = MOST_ROWS // _ranks.n_ranks()
    if len(rows) <= most:
        return rows, weights
    index = torch.randperm(len(rows), generator=generator)[:most].sort()[0].to(rows.device)
    return ChosenRows(rows, index), None if weights is None else weights[index]


def _start(rows, weights, mean, n_components, generator):
    """Return probabilistic PCA of the rows, holes filled with means."""
    filled, d = Filled(rows, mean), len(mean)
    slopes = torch.zeros(d, 0, dtype=torch.float64)
    part = filled
    if rows.shape[1] > d:
        slopes, mean = regress(filled, weights, mean)
        part = Residuals(filled, slopes)
    pca = principal_components(part, weights, mean, n_components, generator)
    loadings, noise = probabilistic_pca(*pca)
    return LinearModel(loadings, noise.expand(d), mean, slopes)


def expect(rows, weights, model):
    """Return the `Moments` of rows under a linear model."""
    d, p = len(model.mean), len(model.loadings) + 1 + model.slopes.shape[1]
    parts = [
        _expect_part(rows.span(span), None if weights is None else weights[span], model)
        for span in iter_chunks(len(rows), max(16, CELLS // (p * p + 4 * d)))
    ]
    return Moments(*_ranks.total(*(sum(values) for values in zip(*parts, strict=True))))


def _expect_part(x, weights, model):
    x, d, k = x.double().cpu(), len(model.mean), len(model.loadings)
    w = x.new_ones(len(x)) if weights is None else weights.double().cpu()
    x, c = x[:, :d], x[:, d:]
    observed = ~x.isnan()
    y = torch.where(observed, x - model.mean - c @ model.slopes.T, 0.0)
    given = condition(y, observed, model.loadings, model.noise)
    u = torch.cat([given.mean, torch.ones_like(x[:, :1]), c], dim=1)
    uu = u[:, :, None] * u[:, None, :]
    uu[:, :k, :k] += given.covariance
    x, seen = torch.where(observed, x, 0.0), w[:, None] * observed
    return Moments(
        square=(seen.T @ uu.flatten(1)).unflatten(1, uu.shape[1:]),
        cross=(w[:, None] * x).T @ u,
        squares=w @ x.square(),
        counts=seen.sum(dim=0),
        of_codes=torch.einsum("n,nij->ij", w, uu[:, :k, :k]),
        log_density=w @ given.log_density,
        total=w.sum(),
    )


def _maximise(moments, k, to_noise):
    """Return the model that is most probable given the moments."""
    # A part of the rows may have no number of a column.
    scale = torch.where(moments.counts > 0, moments.counts, 1.0)
    ridge = RIDGE * scale[:, None, None] * torch.eye(moments.square.shape[1]).double()
    beta = torch.linalg.solve(moments.square + ridge, moments.cross)
    left = (moments.squares - (beta * moments.cross).sum(dim=1)).clamp_min(0)
    root = cholesky(moments.of_codes / moments.total)
    return LinearModel(
        root.T @ beta[:, :k].T, to_noise(left, moments.counts), beta[:, k], beta[:, k + 1 :]
    )
