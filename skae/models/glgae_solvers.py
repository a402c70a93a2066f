"""The two solvers of `GLGAE`, which move nodes and codes: by all rows at once, or by a few."""

import torch

from .. import _ranks
from ..data.tables import chunks_of, share
from ..training.threads import reconsider_threads

MIN_ITER = 6  # before the objective may be called settled


def passes(make_pass, n_passes, objective, tol, n_before):
    """Make passes until the objective has settled; yield it after each.

    Parameters
    ----------
    make_pass : callable
        It returns the objective.
    n_passes : int
        How many there are at most.
    objective : float
        That of before.
    tol : float
        A pass that changes it by less than this share is the last.
    n_before : int
        How many passes there have been before.
    """
    for n in range(n_before + 1, n_before + n_passes + 1):
        before, objective = objective, make_pass()
        yield objective
        if n >= MIN_ITER and abs(objective - before) < tol * max(1.0, abs(objective)):
            break


def after(first, function):
    """Return a function that calls another one first."""

    def both():
        first()
        return function()

    return both


class BatchSolver:
    """Moves codes, nodes and variance in turn; the objective never falls.

    Parameters
    ----------
    nodes : Nodes
    rows : RowsOnDevice or RowsOnHost
    weights : tensor of shape (n_samples,)
    n_encode_iter : int
        Newton steps on the codes in each pass.
    learns_variance : bool

    Attributes
    ----------
    codes : tensor of shape (n_samples, n_components)
    statistics : dict of tensor
        Sums over the rows, which the next places of the nodes follow from.
    objective : float
    """

    def __init__(self, nodes, rows, weights, n_encode_iter, learns_variance):
        self.nodes, self.rows, self.weights = nodes, rows, weights
        self.n_encode_iter, self.learns_variance = n_encode_iter, learns_variance
        self.codes = None
        self._move_codes()

    def move_all(self):
        """Move the nodes, then the codes; return the objective."""
        self.nodes.maximise(self.statistics, learn_variance=self.learns_variance)
        self._move_codes()
        return self.objective

    def _move_codes(self):
        before, nodes = self.codes, self.nodes
        codes = nodes.B.new_empty(len(self.rows), nodes.B.shape[1])
        self.statistics, total = {}, 0.0
        for span in chunks_of(self.rows):
            reconsider_threads()
            x, w = self.rows.span(span), self.weights[span]
            start = None if before is None else before[span]
            codes[span], phi = nodes.encode(x, self.n_encode_iter, start)
            total += float((w * phi).sum(dtype=torch.float64))
            _add(self.statistics, nodes.statistics(x, codes[span], w))
        self.codes = codes
        *sums, total = _ranks.total(*self.statistics.values(), total)
        self.statistics = dict(zip(self.statistics, sums, strict=True))
        self.objective = total / float(self.statistics["total"]) + nodes.constant()


class OnlineSolver:
    """Lets the nodes follow a running average of the statistics of small batches.

    Parameters
    ----------
    nodes : Nodes
    statistics : dict of ndarray or None
        Of the steps before, per row.
    n_steps : int
        How many these were.
    n_encode_iter : int
        Newton steps on the codes of a batch.
    forgetting : float
        Step t has the weight ``(t + 1) ** -forgetting``.
    learns_variance : bool
    """

    def __init__(self, nodes, statistics, n_steps, n_encode_iter, forgetting, learns_variance):
        self.nodes, self.n_steps, self.n_encode_iter = nodes, n_steps, n_encode_iter
        self.forgetting, self.learns_variance = forgetting, learns_variance
        if statistics is not None:
            device = nodes.B.device
            statistics = {k: share(v).to(device) for k, v in statistics.items()}
        self.statistics = statistics

    def follow(self, rows, weights, batch_size, generator):
        """Pass over the rows, in the generator's order; return the objective."""
        order, total = torch.randperm(len(rows), generator=generator).to(rows.device), 0.0
        for chosen in order.split(batch_size):
            reconsider_threads()
            w = weights[chosen]
            if w.any():  # without there is nothing to learn from: it is no step
                total += self._step(rows.take(chosen), w, 1 / batch_size)
        return total / float(weights.sum())

    def _step(self, x, weights, scale):
        """Learn from a batch; return the sum of what its rows add to the objective."""
        z, phi = self.nodes.encode(x, self.n_encode_iter)
        objective = float((weights * (phi + self.nodes.constant())).sum())
        new, rate = self.nodes.statistics(x, z, weights), (self.n_steps + 1) ** -self.forgetting
        self.statistics = _blend(self.statistics, new, rate, scale)
        self.nodes.maximise(self.statistics, learn_variance=self.learns_variance)
        self.n_steps += 1
        return objective


def encode_all(nodes, rows, n_encode_iter):
    """Return the codes of all rows."""
    codes = nodes.B.new_empty(len(rows), nodes.B.shape[1])
    for span in chunks_of(rows):
        reconsider_threads()
        codes[span] = nodes.encode(rows.span(span), n_encode_iter)[0]
    return codes


def _add(sums, new):
    for name, value in new.items():
        sums[name] = sums[name] + value if name in sums else value


def _blend(running, new, rate, scale):
    """Return the running averages after a step of stepwise expectation maximisation."""
    if running is None:
        return {name: value * scale for name, value in new.items()}
    return {
        name: running[name] + rate * (scale * value - running[name]) for name, value in new.items()
    }
