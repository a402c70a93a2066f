"""The Gaussian latent generative autoencoder: its estimator. `nodes` holds the mathematics."""

import copy
import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .. import _ranks
from .._sklearn import Interval, StrOptions, fit_context
from ..data.inputs import check_bool
from ..data.moments import weighted_moments
from ..data.streams import keep_watch, start_watch
from ..data.tables import share
from ..data.units import Units, check_magnitude, to_scale
from ..estimator.coder import BaseCoder
from ..estimator.inference import map_rows
from ..estimator.likelihoods import ScoresLikelihood
from ..estimator.needs import Need, needs_value
from ..estimator.persistence import parameters_to_go_by
from ..estimator.preparation import take_seed, to_rows
from ..estimator.ranks import check_is_alone
from ..estimator.sampling import seed_for_samples
from ..nn.nodes import OBJECTIVES
from ..training.progress import Line, step_of
from ..training.randomness import make_generator, make_random_state
from ..training.threads import threads_for
from .glgae_layouts import check_layout, lay_out
from .glgae_samples import choose_codes, move_codes
from .glgae_solvers import BatchSolver, OnlineSolver, after, encode_all, passes

MAX_ITER = {"batch": 60, "online": 20}


class GLGAE(ScoresLikelihood, BaseCoder):
    r"""Gaussian latent generative autoencoder: a continuous map over a grid of nodes.

    Each of K nodes lies at :math:`A_k` among the data and at :math:`B_k` among the codes. A code z
    picks nodes by a Gaussian kernel,

    .. math:: q_k(z) = \frac{e^{-|z - B_k|^2 / 2}}{b + \sum_j e^{-|z - B_j|^2 / 2}}, \quad
              \tilde q_k = q_k / \sum_j q_j, \quad p(x \mid k) = N(x; A_k, \sigma^2 I)

    and the code of a row is the maximum over z of one of three objectives [1]_, each with the term
    :math:`\log \sum_k q_k(z)`, which keeps z near the nodes:

    - "reconstruction", the squared error of a decoder that mixes nodes,
      :math:`-|x - \sum_k \tilde q_k(z) A_k|^2 / 2 \sigma^2`;
    - "bound", :math:`\sum_k \tilde q_k(z) \log p(x \mid k)`, whose :math:`A_k` are prototypes, as
      in a self-organising map;
    - "likelihood", :math:`\log \sum_k \tilde q_k(z) p(x \mid k)`, of which "bound" is the lower
      bound. It is the objective of [1]_ and kept for study: with a learned variance it turns into
      vector quantisation.

    Places among the codes stay where they are, on a grid. Codes, places among the data and
    variance are moved in turn, each in closed form or by a Newton step, so that the objective
    never falls; no learning rate is needed and, with the default solver and layout, nothing is
    random.

    It is a relative of the generative topographic map [2]_ and of parametric embedding [3]_. Use
    it for a map in two dimensions with a decoder: its reconstruction error there is low. It does
    not keep neighbourhoods better than the generative topographic map, does not unroll surfaces,
    and is no better as a density than the mixture of spherical Gaussians that it is.

    Parameters
    ----------
    n_nodes : int, default=100
        Number of nodes; on a grid the nearest power of a whole number, in `n_nodes_`.

    objective : {"reconstruction", "bound", "likelihood"}, default="reconstruction"
        What codes and nodes maximise.

    spacing : float or None, default=None
        Distance of neighbouring nodes on the grid, in units of the kernel's width: a small one
        makes the map smooth, a large one lets every node stand for itself. None is 1 for
        "reconstruction" and 2 for the others.

    null_weight : float, default=0.01
        Weight b of a null node that is everywhere and produces nothing: the larger, the nearer
        codes stay to the nodes.

    constrain : bool, default=True
        Whether codes stay in the box that the nodes span, which on a grid is their convex hull.

    node_layout : {"auto", "grid", "kmeans"} or array-like of shape (n_nodes, n_components), \
            default="auto"
        Places of the nodes among the codes: a grid; the principal coordinates of the centres of
        k-means; or given, whatever `n_nodes`. "auto" is the grid up to 3 components.

    noise_variance : float or None, default=None
        The variance of a feature around a node, in the squared units of X. None learns it.

    ridge : float, default=0.001
        Penalty on the places of the nodes among the data with "reconstruction".

    solver : {"batch", "online"}, default="batch"
        Whether nodes move after each pass over all rows, or after each small batch, by stepwise
        expectation maximisation [4]_: for many rows, and not monotone.

    batch_size : int, default=256
        Rows per step of the online solver.

    forgetting : float, default=0.6
        Step t of the online solver has the weight ``(t + 1) ** -forgetting``; above 0.5.

    max_iter : int or None, default=None
        Number of passes over the rows at most. None is 60 for the batch solver, 20 for the other.

    tol : float, default=1e-5
        A pass that changes the objective by less than this share of it is the last.

    n_encode_iter : int, default=2
        Newton steps on the codes in each pass of `fit`, one more in the online solver.

    max_encode_iter : int, default=15
        Newton steps at most in `transform`.

    random_state : int, RandomState instance or None, default=None
        Determines the order of the rows with the online solver, the start of k-means, and samples.
        numpy's and torch's global generators are never touched; None draws a fresh seed.

    verbose : int, default=0
        Whether to print the objective after each pass, a line for each.

    {shared parameters}

    Attributes
    ----------
    nodes_data_ : ndarray of shape (`n_nodes_`, n_features)
        Places of the nodes among the data. With "reconstruction" they are coefficients of the
        decoder, far outside the data; see `prototypes_`.

    nodes_latent_ : ndarray of shape (`n_nodes_`, n_components)
        Places of the nodes among the codes.

    prototypes_ : ndarray of shape (`n_nodes_`, n_features)
        What each node stands for: `nodes_data_`; with "reconstruction" what `nodes_latent_` is
        decoded to.

    node_weights_ : ndarray of shape (`n_nodes_`,)
        Mean over the training rows of the weight with which each node takes part in them.

    noise_variance_ : float
        Variance of a feature around a node, in the squared units of X.

    n_nodes_ : int
        Number of nodes.

    embedding_ : ndarray of shape (n_samples, n_components)
        Codes of the training rows as the last pass left them. `transform` starts afresh and finds
        another local maximum for a few of them. Not there after `forget_rows`.

    objective_ : float
        The objective at the end: nats per row.

    objective_history_ : list of float
        The objective after each pass.

    n_iter_ : int
        Number of passes.

    scale_ : float
        What the centred data are divided by, the root of the mean variance of the features.

    {shared attributes}

    See Also
    --------
    Autoencoder : Encoder and decoder are networks; for codes of more than a few numbers.
    sklearn.mixture.GaussianMixture : For densities.
    sklearn.manifold.TSNE : For pictures alone.

    Notes
    -----
    The fitted model keeps the codes of all training rows in `embedding_`, and 10000 of them at
    most for `sample`. `forget_rows` drops both; `sample` is then an error with "reconstruction"
    and with ``observation_noise=False``. `nodes_data_` stays: a node on which one row alone has a
    say lies at that row.

    References
    ----------
    .. [1] CATSMILE-1017, "Gaussian latent generative autoencoder",
       http://catsmile.info/1017-glgae.html.
    .. [2] C. M. Bishop, M. Svensen, C. K. I. Williams, "GTM: the generative topographic mapping",
       Neural Computation 10, 1998.
    .. [3] T. Iwata et al., "Parametric embedding for class visualization", NIPS 2004.
    .. [4] O. Cappe, E. Moulines, "On-line expectation-maximization algorithm for latent data
       models", Journal of the Royal Statistical Society B 71, 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import GLGAE
    >>> from skae.metrics import explained_variance
    >>> X, _ = load_digits(return_X_y=True)
    >>> map_ = GLGAE(max_iter=10).fit(X)
    >>> map_.transform(X).shape
    (1797, 2)
    >>> explained_variance(map_, X) > 2 * explained_variance(PCA(2).fit(X), X)
    True
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _parameter_constraints = {
        "n_nodes": [Interval(Integral, 1, None, closed="left")],
        "objective": [StrOptions(set(OBJECTIVES))],
        "spacing": [Interval(Real, 0, None, closed="neither"), None],
        "null_weight": [Interval(Real, 0, None, closed="left")],
        "constrain": ["boolean"],
        "node_layout": [StrOptions({"auto", "grid", "kmeans"}), "array-like"],
        "noise_variance": [Interval(Real, 0, None, closed="neither"), None],
        "ridge": [Interval(Real, 0, None, closed="neither")],
        "solver": [StrOptions({"batch", "online"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "forgetting": [Interval(Real, 0.5, 1, closed="right")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "n_encode_iter": [Interval(Integral, 1, None, closed="left")],
        "max_encode_iter": [Interval(Integral, 1, None, closed="left")],
    }

    _training_parameters = ("ridge", "solver", "forgetting", "n_encode_iter", "max_encode_iter")
    _needs = (
        *(
            Need(
                (name, "node_layout"),
                "a node_layout that is not given in numbers",
                lambda e: isinstance(e.node_layout, str),
            )
            for name in ("n_nodes", "spacing")
        ),
        needs_value("ridge", "objective", "reconstruction"),
        needs_value("batch_size", "solver", "online"),
        needs_value("forgetting", "solver", "online"),
    )

    def __init__(
        self,
        n_components=2,
        *,
        n_nodes=100,
        objective="reconstruction",
        spacing=None,
        null_weight=1e-2,
        constrain=True,
        node_layout="auto",
        noise_variance=None,
        ridge=1e-3,
        solver="batch",
        batch_size=256,
        forgetting=0.6,
        max_iter=None,
        tol=1e-5,
        n_encode_iter=2,
        max_encode_iter=15,
        device="auto",
        dtype="float32",
        distributed=False,
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    # Fitting

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Let the nodes learn from one pass over X, as ``solver="online"`` does.

        The first call fixes `mean_`, `scale_` and the places of the nodes in the code. After `fit`
        it goes on from there, whatever its solver.

        Shuffle rows that are sorted, by class or by time: what the first call fixes is that of
        its own rows, and a running average forgets. Where most later rows are far from the first
        ones there is a `StreamWarning`, once.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; two rows at least in the first call. `embedding_` becomes theirs.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the objective.

        {shared parameters}

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter that shapes the model, such as `n_nodes`, is no longer what it was.
        """
        return self._fit(X, sample_weight, one_pass=True)

    def _check_parameters(self):
        check_layout(self)

    def _learn(self, X, weights, *, resume, one_pass):
        """Move the nodes, from their first places or from where they are."""
        if one_pass or self.solver == "online":
            asked = "partial_fit" if one_pass else "solver='online'"
            others = "fit with solver='batch' adds up the statistics of all ranks"
            check_is_alone(self, asked, f"nodes follow one batch after the other; {others}")
        # An array of the user's may change later.
        places = copy.deepcopy(self.node_layout)
        self._fitted_params = {**parameters_to_go_by(self), "node_layout": places}
        if not resume:
            self._prepare(X, weights)
        rows, weights = to_rows(self, X, np.ones(X.shape[0]) if weights is None else weights)
        if resume:
            self._watch = keep_watch(self._watch, rows, weights, X.shape[1])
        else:
            self._place_nodes(X, rows, weights)
        n_passes = 1 if one_pass else self.max_iter or MAX_ITER[self.solver]
        if self.solver == "batch" and not one_pass:
            with threads_for(X.shape[0] * self._work_per_row()):
                self._fit_batch(rows, weights, n_passes)
        else:
            self._fit_online(rows, weights, n_passes, streaming=resume)

    def _prepare(self, X, weights):
        """Draw the seed and learn the units."""
        take_seed(self)
        self._n_features_out, self._X_dtype = int(self.n_components), X.dtype.name
        moments = weighted_moments(X, weights)
        self.mean_, self.scale_ = moments.mean, to_scale(moments)
        check_magnitude(moments, self.scale_, self.dtype)
        self._watch = start_watch(X.shape[0], weights)

    def _place_nodes(self, X, rows, weights):
        """Give the nodes their first places, weights and variance."""
        with threads_for(X.shape[0] * X.shape[1] ** 2):
            A, self.nodes_latent_ = lay_out(self, X, rows, weights)
        self.nodes_data_ = self.mean_ + self.scale_ * A
        self.n_nodes_ = len(A)
        self.node_weights_ = np.full(len(A), 1 / len(A))
        fixed = self.noise_variance
        self.noise_variance_ = self.scale_**2 if fixed is None else float(fixed)
        self._statistics, self._n_steps = None, 0
        self.n_iter_, self.objective_history_ = 0, []

    def _work_per_row(self):
        n_nodes, n_features = self.nodes_data_.shape
        return n_nodes * (n_nodes + n_features)

    @property
    def _units(self):
        return Units(self.mean_, self.scale_)

    # The two solvers

    def _fit_batch(self, rows, weights, max_iter):
        """Move codes, nodes and variance in turn; the objective never falls."""
        nodes, learns = self._module_in(rows.dtype), self.noise_variance is None
        solver = BatchSolver(nodes, rows, weights, self.n_encode_iter, learns)
        self._repeat(nodes, solver.move_all, max_iter, solver.objective)
        # per row, as those of the online solver are, for `partial_fit` to go on from
        n_rows = _ranks.total(len(rows))
        self._statistics = {name: v / n_rows for name, v in solver.statistics.items()}
        self._n_steps = self.n_iter_
        codes, weights = (torch.cat(_ranks.gather(part.cpu())) for part in (solver.codes, weights))
        self._keep_fitted(nodes, codes, weights)

    def _fit_online(self, rows, weights, n_epochs, streaming=False):
        """Let the nodes follow a running average of the statistics of small batches."""
        with threads_for(min(self.batch_size, len(rows)) * self._work_per_row()):
            nodes = self._follow(rows, weights, n_epochs)
        with threads_for(len(rows) * self._work_per_row()):
            codes = encode_all(nodes, rows, self._fitted_params["max_encode_iter"])
        self._keep_fitted(nodes, codes, weights, streaming)

    def _follow(self, rows, weights, n_epochs):
        """Pass over the rows, some at a time; return the nodes as they then are."""
        nodes, learns = self._module_in(rows.dtype), self.noise_variance is None
        n_encode_iter = self.n_encode_iter + 1
        solver = OnlineSolver(
            nodes, self._statistics, self._n_steps, n_encode_iter, self.forgetting, learns
        )

        def follow():
            generator = make_generator(self._seed + self.n_iter_, "shuffling")
            return solver.follow(rows, weights, self.batch_size, generator)

        self._repeat(nodes, follow, n_epochs, math.inf, shows_last=n_epochs > 1)
        self._statistics, self._n_steps = solver.statistics, solver.n_steps
        return nodes

    def _repeat(self, nodes, make_pass, n_passes, objective, shows_last=True):
        """Pass over the rows again and again, until the objective has settled."""
        tasks = self._tasks
        if tasks is not None:
            tasks.begin(n_passes)
            make_pass = after(tasks.begin_epoch, make_pass)
        line = Line(n_passes, is_one=self.verbose == 1)
        for F in passes(make_pass, n_passes, objective, self.tol, self.n_iter_):
            self._report(F, n_passes if shows_last else None, line)
            stops = tasks is not None and tasks.end_epoch(lambda: self._as_fitted(nodes))
            if _ranks.any_rank(stops):
                break
        line.end()

    def _as_fitted(self, nodes):
        return {**self._describe_nodes(nodes), "_is_fitted": True}

    def _describe_nodes(self, nodes):
        """Return the fitted attributes that follow from nodes, in the units of X."""
        return {
            "nodes_data_": self.mean_ + self.scale_ * nodes.A.double().cpu().numpy(),
            "noise_variance_": nodes.variance * self.scale_**2,
        }

    def _report(self, F, last, line):
        self.n_iter_ += 1
        self.objective_history_ = [*self.objective_history_, F - self._log_volume()]
        if self.verbose and _ranks.rank() == 0:
            step = step_of(self.n_iter_, last)
            line.show(f"iteration {step:>9}   objective {self.objective_history_[-1]:.6f}")

    def _keep_fitted(self, nodes, codes, weights, streaming=False):
        """Set the fitted attributes."""
        vars(self).update(self._describe_nodes(nodes))
        statistics = {name: value.cpu().numpy() for name, value in self._statistics.items()}
        self._statistics = statistics
        self.node_weights_ = statistics["mass"] / statistics["mass"].sum()
        self._embedding = codes.cpu().numpy()
        self._codes = choose_codes(self, weights.double().cpu().numpy(), streaming)
        self.objective_ = self.objective_history_[-1]

    # What a fitted model does

    def _module_in(self, dtype, objective=None):
        """Return the nodes with the objective of the fit, or another."""
        names = ["null_weight", "constrain"]
        objective = objective or self._fitted_params["objective"]
        if objective == "reconstruction":
            names.append("ridge")
        params = {name: self._fitted_params[name] for name in names}
        A = (self.nodes_data_ - self.mean_) / self.scale_
        A, B = (share(a).to(self.device_, dtype) for a in (A, self.nodes_latent_))
        variance = self.noise_variance_ / self.scale_**2
        return OBJECTIVES[objective](A, B, variance, **params)

    def _encode_batch(self, module, x):
        return self._find_codes(module, self._units.enter(x, x.dtype))[0]

    def _find_codes(self, nodes, x):
        """Return codes of rows in the network's units, and their objective."""
        return nodes.encode(x, self._fitted_params["max_encode_iter"])

    def score_samples(self, X, *, kind="marginal"):
        r"""Return the logarithm of the density of each row.

        Data and code are independent given the node, so that the model is a mixture of as many
        spherical Gaussians as there are nodes, :math:`\sum_k \pi_k N(x; c_k, \sigma^2 I)`, with
        `node_weights_` and `prototypes_`.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        kind : {"marginal", "profile"}, default="marginal"
            The density; or, in its place, the maximum over z of
            :math:`\log \sum_k q_k(z) p(x \mid k)`, and with "reconstruction"
            :math:`\log N(x; \hat x(z), \sigma^2 I)` at the code. The latter are too high to be
            compared with other densities.

        Returns
        -------
        score : ndarray of shape (n_samples,), of float64
            Nats, in the units of X.

        Raises
        ------
        ValueError
            If `kind` is neither.
        """
        X = self._check_X(X)
        if kind not in ("marginal", "profile"):
            raise ValueError(f"kind must be 'marginal' or 'profile'. Got {kind!r} instead.")

        def log_density(nodes, x):
            x = self._units.enter(x, x.dtype)
            if kind == "marginal":
                return nodes.log_density(x, share(self.node_weights_).to(x))
            if self._fitted_params["objective"] == "bound":
                nodes = self._module_in(x.dtype, "likelihood")
            return nodes.log_profile(x, self._fitted_params["max_encode_iter"])

        # In double precision: in single, the square of a distance of 1e20 is infinite.
        return map_rows(self, X, np.float64, log_density) - self._log_volume()

    def _log_volume(self):
        """Return the logarithm of the volume that scaled units have in the units of X."""
        return len(self.mean_) * math.log(self.scale_)

    def responsibilities(self, X):
        r"""Return how likely each node has produced each row, given its code.

        .. math:: r_k \propto \tilde q_k(z) N(x; c_k, \sigma^2 I)

        with z the code of x and c_k the prototype of the node.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        R : ndarray of shape (n_samples, `n_nodes_`)
            Rows sum to 1.
        """
        X = self._check_X(X)

        def posterior(nodes, x):
            x = self._units.enter(x, x.dtype)
            z, _ = self._find_codes(nodes, x)
            return nodes.responsibilities(x, z)

        return map_rows(self, X, X.dtype, posterior)

    def predict_nodes(self, X):
        """Return the number of the most responsible node for each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        nodes : ndarray of shape (n_samples,)
            Indices into `prototypes_` and `nodes_latent_`.
        """
        return self.responsibilities(X).argmax(axis=1)

    def sample(self, n_samples=1, *, observation_noise=True, random_state=None):
        """Draw new rows.

        With "bound" and "likelihood" from the mixture whose density `score_samples` returns. With
        "reconstruction", whose nodes are no prototypes, the code of a training row is moved a
        little and decoded, and noise is added.

        Parameters
        ----------
        observation_noise : bool, default=True
            False decodes codes of training rows, moved a little, whatever the objective.

        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        check_bool(observation_noise, "observation_noise")
        seed = seed_for_samples(self, n_samples, random_state)
        random_state = make_random_state(seed, "sample")
        if observation_noise and self._fitted_params["objective"] != "reconstruction":
            chosen = random_state.choice(self.n_nodes_, n_samples, p=self.node_weights_)
            X = self.nodes_data_[chosen]
        else:
            X = self._decode(move_codes(self, n_samples, random_state))
        if observation_noise:
            X = X + np.sqrt(self.noise_variance_) * random_state.standard_normal(X.shape)
        return X.astype(self._X_dtype)

    def _forget_rows(self):
        self._forget_codes()

    def _forget_codes(self):
        self._embedding = self._codes = None

    @property
    def embedding_(self):
        check_is_fitted(self)
        if self._embedding is None:
            raise AttributeError(
                "embedding_ holds the codes of training rows, which forget_rows has dropped. "
                "transform computes codes of any rows."
            )
        return self._embedding.astype(self._X_dtype, copy=False)

    @property
    def prototypes_(self):
        check_is_fitted(self)
        nodes = self._module_in(torch.float64)
        return self._units.leave(nodes.prototypes()).cpu().numpy()
