r"""The mathematics of GLGAE: K nodes, each with a place in the data and a place in the code.

A node k lies at A_k among the data, (n_features,), and at B_k among the codes, (n_components,).
A code z picks nodes by a Gaussian kernel whose width is the unit of length of the codes,

.. math:: h_k(z) = e^{-|z - B_k|^2 / 2}, \quad S = \sum_k h_k, \quad
          \tilde q_k = h_k / S, \quad q_0 = b / (b + S)

where q_0 is the share of a null node that produces nothing. A node produces data with
p(x | k) = N(x; A_k, s^2 I), and l_k = -|x - A_k|^2 / 2 s^2. The code of a row is the maximum over
z of an objective phi(z; x), of which there are three; all hold log(1 - q_0), which keeps z near
the nodes. Everything is in the units that the estimator scales the data to.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch.nn import functional as F

from ..data.tables import iter_chunks

STEPS = (2.0, 1.0, 0.3, 0.05)  # multiples of a Newton step that are tried
LONGEST_STEP = 1.5  # of a Newton step, in units of the kernel's width
STILL = 1e-4  # a code that moves less has arrived
SMALLEST_VARIANCE = 1e-6  # as a share of the variance of the data
SMALLEST_MASS = 1e-8  # a node with less keeps its place
ROUNDING = 4  # of a matrix of sums of products, in units of its trace and of the precision
SMALLEST_EXPONENT = -80.0  # below it single precision has numbers that processors are slow with
CELLS = 2**17  # rows x nodes, or rows x features, searched at a time: what a cache holds


class Nodes(ABC):
    """Nodes with one of the objectives; a subclass is an objective.

    Parameters
    ----------
    A : tensor of shape (n_nodes, n_features)
    B : tensor of shape (n_nodes, n_components)
    variance : float
        s^2.
    null_weight : float
        b.
    constrain : bool
        Whether codes stay within the box that the nodes span.
    """

    def __init__(self, A, B, variance, *, null_weight, constrain):
        self.B, self.variance = B, variance
        self.move(A)
        self.log_b = math.log(null_weight) if null_weight else -math.inf
        # log h + |z|^2 / 2 = z B_k - |B_k|^2 / 2, as one product
        self.exponents = torch.cat([B, -B.square().sum(dim=1, keepdim=True) / 2], dim=1)
        self.products = (B[:, :, None] * B[:, None, :]).flatten(1)  # (n_nodes, n_components^2)
        self.identity = torch.eye(B.shape[1], dtype=B.dtype, device=B.device)
        self.steps = torch.tensor(STEPS, dtype=B.dtype, device=B.device)[:, None]
        self.box = (B.amin(dim=0), B.amax(dim=0)) if constrain else None
        self.q_of_nodes, _, self.null_of_nodes = self.mix(B)

    def move(self, A):
        """Give the nodes new places among the data."""
        self.A = A

    # From codes to nodes, (..., n_components) to (..., n_nodes)

    def log_kernel(self, z):
        """Return log h + |z|^2 / 2."""
        return F.pad(z, (0, 1), value=1.0) @ self.exponents.T

    def null(self, z, log_sum):
        """Return q_0 and log(1 - q_0), given the logarithm of the sum over `log_kernel`."""
        log_odds = self.log_b - (log_sum - z.square().sum(dim=-1) / 2)
        return torch.sigmoid(log_odds), -F.softplus(log_odds)

    def mix(self, z):
        """Return q~, q_0 and log(1 - q_0)."""
        log_h = self.log_kernel(z)
        top = log_h.amax(dim=-1, keepdim=True)
        h = log_h.sub_(top).clamp_min_(SMALLEST_EXPONENT).exp_()
        total = h.sum(dim=-1, keepdim=True)
        return h.div_(total), *self.null(z, (top + total.log()).squeeze(-1))

    def decode(self, z):
        """Return the mean of p(x | z) without the null node, the sum of q~_k A_k."""
        return self.mix(z)[0] @ self.A

    def prototypes(self):
        """Return what each node stands for among the data, (n_nodes, n_features)."""
        return self.A

    def log_likelihood(self, x, centres):
        """Return -|x - c_k|^2 / 2 s^2, (n, n_nodes)."""
        squares = x.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1)
        return (2 * x @ centres.T - squares).clamp_max_(0) / (2 * self.variance)

    # Rows as the nodes make them

    def responsibilities(self, x, z):
        """Return r, proportional to q~_k N(x; c_k, s^2 I) with prototypes c, (n, n_nodes)."""
        log_p = self.log_likelihood(x, self.prototypes())
        return (log_p + self.log_kernel(z)).softmax(dim=1)

    def log_density(self, x, shares):
        """Return the log-density of rows under the mixture of prototypes with these shares."""
        log_p = self.log_likelihood(x, self.prototypes()) + shares.log()
        return log_p.logsumexp(dim=1) + self.log_normaliser()

    def log_profile(self, x, n_iter):
        """Return the log-density of rows with their codes in place of the mean over codes."""
        return self.encode(x, n_iter)[1] + self.log_normaliser()

    # What an objective says of itself

    @abstractmethod
    def evidence(self, x):
        """Return what the search needs to know of each row, (n, anything)."""

    @abstractmethod
    def at_nodes(self, evidence):
        """Return phi at the place of every node, (n, n_nodes)."""

    @abstractmethod
    def value(self, evidence, z):
        """Return phi, (...,), of codes (..., n_components)."""

    @abstractmethod
    def slope(self, evidence, z):
        """Return the gradient of phi, (n, n_components), and a curvature to divide it by."""

    @abstractmethod
    def choice(self, evidence, z):
        """Return the weights by which nodes take part in a row, (n, n_nodes)."""

    def _moments(self, q):
        """Return mean and covariance of the nodes' places under q, (n, n_nodes)."""
        mean = q @ self.B
        second = (q @ self.products).view(-1, *self.identity.shape)
        return mean, second - mean[:, :, None] * mean[:, None, :]

    # Codes: the maximum of phi over z

    def encode(self, x, n_iter, start=None):
        """Return the codes of rows and their phi, no lower than at `start` and at any node.

        Parameters
        ----------
        x : tensor of shape (n, n_features)
        n_iter : int
            Newton steps at most; a row stops when its code no longer moves.
        start : tensor of shape (n, n_components) or None, default=None

        Returns
        -------
        z : tensor of shape (n, n_components)
        phi : tensor of shape (n,)
        """
        z = x.new_empty(len(x), self.B.shape[1])
        phi = x.new_empty(len(x))
        size = max(1, CELLS // len(self.B))
        for rows in iter_chunks(len(x), size):
            evidence = self.evidence(x[rows])
            found = self._best_node(evidence)
            if start is not None:
                found = self._better(found, start[rows], self.value(evidence, start[rows]))
            z[rows], phi[rows] = self._climb(evidence, *found, n_iter)
        return z, phi

    def _best_node(self, evidence):
        phi, index = self.at_nodes(evidence).max(dim=1)
        return self.B[index], phi

    @staticmethod
    def _better(found, z, phi):
        better = phi > found[1]
        return torch.where(better[:, None], z, found[0]), torch.where(better, phi, found[1])

    def _climb(self, evidence, z, phi, n_iter):
        moving = torch.arange(len(z), device=z.device)
        for _ in range(n_iter):
            before = z[moving]
            z[moving], phi[moving] = self.climb_once(evidence, before, phi[moving])
            moves = (z[moving] - before).abs().amax(dim=1) >= STILL
            if not moves.all():
                moving, evidence = moving[moves], evidence[moves]
            if len(moving) == 0:
                break
        return z, phi

    def climb_once(self, evidence, z, phi):
        """Return codes and phi after the best of a few multiples of a Newton step, or of none."""
        gradient, curvature = self.slope(evidence, z)
        step = torch.linalg.solve_ex(curvature, gradient)[0]
        length = step.norm(dim=1, keepdim=True)
        step = step * (LONGEST_STEP / length.clamp_min(LONGEST_STEP))
        trials = z[:, None] + self.steps * step[:, None]  # (n, n_steps, n_components)
        if self.box is not None:
            trials = trials.clamp(*self.box)
        best, index = self.value(evidence[:, None], trials).max(dim=1)
        chosen = trials[torch.arange(len(z), device=z.device), index]
        return self._better((z, phi), chosen, best)

    # Nodes: the maximum of the mean of phi over A and s^2, given the codes

    def statistics(self, x, z, weights):
        """Return the weighted sums over rows that determine A and s^2, in double precision."""
        weighted = self.choice(self.evidence(x), z) * weights[:, None]
        sums = {
            "total": weights.sum(),
            "mass": weighted.sum(dim=0),
            "moment": weighted.T @ x,
            "energy": weights @ x.square().sum(dim=1),
        }
        return {name: value.double() for name, value in sums.items()}

    def maximise(self, statistics, *, learn_variance):
        """Move the nodes, then set the variance, each to the maximum of the objective."""
        s = {name: value / statistics["total"] for name, value in statistics.items()}
        A = self.best_places(s)
        self.move(A.to(self.B.dtype))
        if learn_variance:
            left = float(self.misfit(s, A)) / A.shape[1]
            self.variance = max(left, SMALLEST_VARIANCE)

    def best_places(self, s):
        """Return A, (n_nodes, n_features), from statistics per unit of weight."""
        means = s["moment"] / s["mass"].clamp_min(SMALLEST_MASS)[:, None]
        return torch.where(s["mass"][:, None] < SMALLEST_MASS, self.A.double(), means)

    def misfit(self, s, A):
        """Return the mean squared distance from rows to nodes, summed over features."""
        inner = (A * s["moment"]).sum()
        return s["energy"] - 2 * inner + (s["mass"] @ A.square().sum(dim=1))

    def log_normaliser(self):
        """Return the logarithm of the density of p(x | k) at its mean."""
        return -self.A.shape[1] / 2 * math.log(2 * math.pi * self.variance)

    def constant(self):
        """Return what the objective holds beside the mean of phi over rows."""
        return self.log_normaliser()


class Likelihood(Nodes):
    r"""The likelihood of the nodes that a code picks.

    .. math:: \varphi_2 = \log \sum_k \tilde q_k e^{l_k} + \log(1 - q_0)
    """

    def evidence(self, x):
        """Return l, (n, n_nodes)."""
        return self.log_likelihood(x, self.A)

    def at_nodes(self, evidence):
        top = evidence.amax(dim=1, keepdim=True)
        return ((evidence - top).exp() @ self.q_of_nodes.T).log() + top + self.null_of_nodes

    def value(self, evidence, z):
        log_h = self.log_kernel(z)
        log_sum = log_h.logsumexp(dim=-1)
        return (evidence + log_h).logsumexp(dim=-1) - log_sum + self.null(z, log_sum)[1]

    def slope(self, evidence, z):
        # phi is a convex log-sum-exp minus G = log(b e^(|z|^2/2) + sum_k e^(z B_k - |B_k|^2/2)).
        # With the first made linear, what is left is concave, and its Hessian is minus G's.
        q, q_0, _ = self.mix(z)
        mean, covariance = self._moments(q)
        away = mean - z
        expected = self.choice(evidence, z) @ self.B
        p, p_0 = (1 - q_0)[:, None, None], q_0[:, None, None]
        curvature = p * (covariance + p_0 * away[:, :, None] * away[:, None, :])
        gradient = expected - mean + q_0[:, None] * away
        return gradient, curvature + (p_0 + 1e-6) * self.identity

    def choice(self, evidence, z):
        """Return the responsibilities r, proportional to q~_k e^(l_k)."""
        return (evidence + self.log_kernel(z)).softmax(dim=-1)


class Bound(Nodes):
    r"""Jensen's lower bound of `Likelihood`.

    .. math:: \varphi_1 = \sum_k \tilde q_k l_k + \log(1 - q_0)
    """

    def evidence(self, x):
        """Return l, (n, n_nodes)."""
        return self.log_likelihood(x, self.A)

    def at_nodes(self, evidence):
        return evidence @ self.q_of_nodes.T + self.null_of_nodes

    def value(self, evidence, z):
        q, _, null = self.mix(z)
        return (q * evidence).sum(dim=-1) + null

    def slope(self, evidence, z):
        q, q_0, _ = self.mix(z)
        mean, covariance = self._moments(q)
        deviation = evidence - (q * evidence).sum(dim=1, keepdim=True)
        weighted = q * deviation
        gradient = weighted @ self.B + q_0[:, None] * (mean - z)
        spread = (weighted * deviation).sum(dim=1).sqrt()[:, None, None]
        p_0 = q_0[:, None, None]
        curvature = (spread + p_0) * (covariance + 1e-4 * self.identity)
        return gradient, curvature + (p_0 + 1e-6) * self.identity

    def choice(self, evidence, z):
        """Return q~."""
        return self.mix(z)[0]


class Reconstruction(Nodes):
    r"""The likelihood of the mean of the nodes that a code picks.

    .. math:: \varphi_0 = -|x - \hat x(z)|^2 / 2 s^2 + \log(1 - q_0), \quad
              \hat x(z) = \sum_k \tilde q_k A_k

    A_k is a coefficient of the decoder, and no prototype: that is the decoded place of the node.
    A carries a penalty, `ridge` times the mean square of its rows, in units of 2 s^2.

    Parameters
    ----------
    ridge : float
    """

    def __init__(self, *args, ridge, **options):
        super().__init__(*args, **options)
        self.ridge = ridge

    def prototypes(self):
        return self.q_of_nodes @ self.A

    def move(self, A):
        super().move(A)
        # With more features than nodes, distances are taken in the span of the nodes, A = C Q^T,
        # and one more number holds how far a row is from it.
        self.Q, self.C = None, A
        if A.shape[1] > len(A) + 1:
            self.Q, R = torch.linalg.qr(A.T)
            self.C = F.pad(R.T, (0, 1))

    def evidence(self, x):
        """Return x, or where it is in the span of the nodes and how far from it."""
        if self.Q is None:
            return x
        inside = x @ self.Q
        outside = x.square().sum(dim=1, keepdim=True) - inside.square().sum(dim=1, keepdim=True)
        return torch.cat([inside, outside.clamp_min_(0).sqrt_()], dim=1)

    def at_nodes(self, evidence):
        return self.log_likelihood(evidence, self.q_of_nodes @ self.C) + self.null_of_nodes

    def value(self, evidence, z):
        q, _, null = self.mix(z)
        squares = (q @ self.C).sub_(evidence).square_().sum(dim=-1)
        return squares / (-2 * self.variance) + null

    def slope(self, evidence, z):
        q, q_0, _ = self.mix(z)
        mean = q @ self.B
        shifts = q[:, None] * (self.B.T - mean[:, :, None])  # (n, n_components, n_nodes)
        # The transposed Jacobian, (n, n_components, n_features). Products of plain matrices, and
        # sums: batched products of matrices this small take ten times longer.
        J = (shifts.flatten(0, 1) @ self.C).view(*shifts.shape[:2], -1)
        residual = (evidence - q @ self.C) / self.variance
        gradient = (J * residual[:, None]).sum(dim=2) + q_0[:, None] * (mean - z)
        curvature = torch.stack([(J * J[:, i : i + 1]).sum(dim=2) for i in range(J.shape[1])], 1)
        curvature /= self.variance
        trace = curvature.diagonal(dim1=1, dim2=2).sum(dim=1)
        damping = q_0 + 1e-3 * trace + 1e-6
        return gradient, curvature + damping[:, None, None] * self.identity

    def choice(self, evidence, z):
        """Return q~."""
        return self.mix(z)[0]

    def log_profile(self, x, n_iter):
        z, _ = self.encode(x, n_iter)
        squares = (x - self.decode(z)).square().sum(dim=1)
        return squares / (-2 * self.variance) + self.log_normaliser()

    def statistics(self, x, z, weights):
        q = self.mix(z)[0]
        sums = super().statistics(x, z, weights)
        return {**sums, "gram": (q.T @ (q * weights[:, None])).double()}

    def best_places(self, s):
        gram = s["gram"].clone()
        gram.diagonal().add_(self.ridge / len(gram))
        rounding = ROUNDING * torch.finfo(self.B.dtype).eps * float(s["gram"].trace())
        factor, failed = torch.linalg.cholesky_ex(gram)
        if self.ridge / len(gram) > rounding and not failed:
            return torch.cholesky_solve(s["moment"], factor)
        return self._move_where_certain(gram, s["moment"], rounding)

    def _move_where_certain(self, gram, moment, rounding):
        """Return the solution of gram A = moment in the directions that rounding leaves known.

        In the others the nodes stay where they are, so that the objective does not fall.
        """
        values, vectors = torch.linalg.eigh(gram)
        inverse = torch.where(values > rounding, 1 / values, 0.0)
        A = self.A.double()
        return A + vectors @ (inverse[:, None] * (vectors.T @ (moment - gram @ A)))

    def misfit(self, s, A):
        inner = (A * s["moment"]).sum()
        return s["energy"] - 2 * inner + (A * (s["gram"] @ A)).sum() + self.penalty(A)

    def penalty(self, A):
        """Return the ridge penalty on A."""
        return self.ridge * A.square().sum() / len(A)

    def constant(self):
        return super().constant() - float(self.penalty(self.A)) / (2 * self.variance)


OBJECTIVES = {"reconstruction": Reconstruction, "bound": Bound, "likelihood": Likelihood}
