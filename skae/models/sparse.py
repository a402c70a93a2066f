"""The sparse autoencoder: many units, few of them active, and a dictionary to read them by."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional as F

from .. import _ranks
from .._sklearn import Interval, StrOptions
from ..data.streams import N_STORED_CODES
from ..data.tables import CHUNK, iter_chunks
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import n_components_of
from ..estimator.inference import iter_batches
from ..estimator.needs import needs_value
from ..estimator.ranks import WHOLE_BATCH, check_is_alone
from ..estimator.sampling import (
    SamplesFromCodes,
    add_to_stream,
    check_codes_are_kept,
    n_of_rank,
)
from ..exceptions import DeadUnitsWarning, ParameterWarning, warn
from ..nn.activations import ACTIVATIONS
from ..nn.autoencoder import AutoencoderModule
from ..nn.networks import own_layers
from ..training.randomness import make_random_state
from .sparse_revival import Revival

# The activation on the code that suits each kind of sparsity.
CODE_ACTIVATIONS = {
    "l1": "relu",
    "kl": "sigmoid",
    "topk": "identity",
    "batch_topk": "identity",
    "jumprelu": "relu",
}
N_COEFS_KINDS = ("topk", "batch_topk")
OF_A_BATCH = ("batch_topk", "kl")

# From this ratio of units to active units on, only what is active is multiplied
# (tests/benchmarks/wide_codes.py).
WIDE = 128
BANDWIDTH = 0.2  # of the jump's pseudo-derivative, in units of the code


class Jump(torch.autograd.Function):
    r"""The step H(z - theta), with a pseudo-derivative for theta.

    A rectangle of width epsilon around the threshold stands for the derivative of the step
    (Rajamanoharan et al. 2024, eq. 11). z itself gets none.
    """

    @staticmethod
    def forward(ctx, z, theta):
        ctx.save_for_backward(z, theta)
        return (z > theta).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        z, theta = ctx.saved_tensors
        near = ((z - theta).abs() < BANDWIDTH / 2).to(z.dtype) / BANDWIDTH
        return None, -(near * grad).sum(dim=0)


def keep_largest(z, n_kept):
    """Return z with all but the `n_kept` largest values of each row set to zero."""
    values, index = z.topk(min(n_kept, z.shape[1]), dim=1)
    return torch.zeros_like(z).scatter(1, index, values)


class SparseModule(AutoencoderModule):
    r"""An encoder f and a decoder g whose code h = f(x) is sparse.

    .. math:: -\log p(x \mid g(h)) + \lambda \sum_j |h_j|

    or another penalty in the place of the sum, or a code of which all but K values are zero.

    Parameters
    ----------
    encoder, decoder : nn.Module
    sparsity : str
    penalty : float
        lambda.
    n_active : int
        K.
    rho : float
        Mean activation that "kl" aims at.
    n_components : int
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True

    def __init__(
        self, encoder, decoder, *, sparsity, penalty, n_active, rho, n_components, **options
    ):
        super().__init__(encoder, decoder, **options)
        self.sparsity, self.penalty, self.n_active, self.rho = sparsity, penalty, n_active, rho
        self.is_wide = (
            sparsity == "topk"
            and n_components >= WIDE * n_active
            and len(own_layers(encoder)) == 1
            and len(own_layers(decoder)) == 1
            and encoder.path is None
        )
        self.register_buffer("n_firings", torch.zeros(n_components))  # since it was last cleared
        if sparsity == "batch_topk":
            self.register_buffer("threshold", torch.zeros(()))
        if sparsity == "jumprelu":
            self.log_threshold = torch.nn.Parameter(torch.full((n_components,), math.log(0.1)))

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone, a dictionary of atoms included."""
        layers = own_layers(self.decoder)
        atoms = [layers[0].weight] if layers and self.decoder.unit_norm else []
        return [*super().undecayed_parameters(), *atoms]

    def start_linear(self, components, variances, mean):
        """Start at the projection onto principal components, in their own scale.

        Atoms have unit norm.
        """
        self._start_scaled(components, torch.ones_like(variances), mean, components)

    def sparsify(self, z):
        """Return the sparse code h of the dense code z."""
        if self.sparsity == "topk":
            return keep_largest(z, self.n_active)
        if self.sparsity == "batch_topk":
            return self._keep_largest_of_the_batch(z)
        if self.sparsity == "jumprelu":
            return z * Jump.apply(z, self.log_threshold.exp())
        return z

    def _keep_largest_of_the_batch(self, z):
        """Keep K values a row on average; a threshold learnt on the way serves single rows."""
        if not self.training:
            return torch.where(z > self.threshold, z, torch.zeros_like(z))
        n_kept = min(self.n_active * len(z), z.numel())
        values, index = z.flatten().topk(n_kept)
        least = values[-1].detach()
        rate = torch.where(self.threshold == 0, 1.0, 0.01).to(least)
        self.threshold.lerp_(least, rate)
        return torch.zeros_like(z).flatten().scatter(0, index, values).view_as(z)

    def encode(self, x, masks=()):
        """Return the sparse codes, (batch, n_components)."""
        return self.sparsify(super().encode(x, masks))

    def code_nodes(self, g, h):
        """Add the sparse code to an ONNX graph."""
        z = super().code_nodes(g, h)
        if self.sparsity == "topk":
            return g.keep_largest(z, self.n_active)
        if self.sparsity == "batch_topk":
            return g.keep_above(z, float(self.threshold))
        if self.sparsity == "jumprelu":
            return g.keep_above(z, self.log_threshold.exp().detach().cpu().numpy())
        return z

    def forward(self, x, encoder_masks=(), decoder_masks=()):
        """Return the loss terms of each row."""
        if self.is_wide:
            index, values = self._encode_active(x)
            p = self.output_activation(self._decode_active(index, values))
            self._count(torch.zeros_like(self.n_firings).index_fill_(0, index.flatten(), 1.0))
            return {"reconstruction": self.likelihood.loss(p, x)}
        z = AutoencoderModule.encode(self, x, encoder_masks)
        h = self.sparsify(z)
        self._count(self.is_active(h).sum(dim=0))
        p = self.decode_parameters(h, decoder_masks)
        return {"reconstruction": self.likelihood.loss(p, x), **self.penalty_terms(z, h)}

    def _encode_active(self, x):
        """Return numbers and values of the K largest units, (batch, K) each.

        Which they are needs every unit, but no gradient; the gradient needs only those that are.
        """
        layer = self.encoder.layers[0]
        with torch.no_grad():
            index = layer(x).topk(self.n_active, dim=1)[1]
        weights = F.embedding(index, layer.weight)  # (batch, K, n_features)
        values = torch.bmm(weights, x[:, :, None])[:, :, 0] + layer.bias[index]
        return index, self.code_activation(values)

    def _decode_active(self, index, values):
        atoms = self.decoder.first_weight().T.contiguous()  # (n_components, n_features)
        p = F.embedding_bag(index, atoms, per_sample_weights=values, mode="sum")
        return p + self.decoder.layers[0].bias

    def is_active(self, h):
        """Return where units count as active; a sigmoid is never zero, but may stay below rho."""
        return h > self.rho if self.sparsity == "kl" else h != 0

    def with_room(self, h):
        """Return codes with room for a new unit: where K are active, without the weakest."""
        return keep_largest(h, self.n_active - 1) if self.sparsity in N_COEFS_KINDS else h

    def _count(self, n_firings):
        if self.training:
            self.n_firings += n_firings.detach()

    def penalty_terms(self, z, h):
        """Return the penalty by its name; none for a fixed number of active units."""
        if self.penalty == 0 or self.sparsity in N_COEFS_KINDS:
            return {}
        if self.sparsity == "l1":
            return {"l1": self.penalty * h.abs().sum(dim=1)}
        if self.sparsity == "kl":
            return {"kl": self.penalty * self.divergence_from_rho(h)}
        return {"l0": self.penalty * Jump.apply(z, self.log_threshold.exp()).sum(dim=1)}

    def divergence_from_rho(self, h):
        """Return sum_j KL(rho || mean of h_j), Bernoulli, over the batch: a scalar."""
        rho, rho_hat = self.rho, h.mean(dim=0).clamp(1e-6, 1 - 1e-6)
        kl = rho * (rho / rho_hat).log() + (1 - rho) * ((1 - rho) / (1 - rho_hat)).log()
        return kl.sum()


class SparseAutoencoder(SamplesFromCodes, BaseAutoencoder):
    r"""Sparse autoencoder: each row is made of a few of many atoms.

    The code h = f(x) has more numbers than the data, as a rule, and few of them are different from
    zero. With a linear decoder, the default, x is a sum of a few atoms, the rows of `components_`:
    a dictionary, learnt together with a network that finds the code in one pass.

    .. math:: \min_{f, g} \frac{1}{n} \sum_i -\log p(x_i \mid g(h_i)) + \lambda \sum_j |h_{ij}|

    for ``sparsity="l1"``, maximum likelihood of (x, h) under a Laplace prior. The other kinds: see
    `sparsity`. Atoms have unit norm: else a penalty is escaped by shrinking h and growing g. Units
    that were silent for a whole epoch are counted, and revived while there is time.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Size of the code; "auto" is twice the number of features.

    sparsity : {"topk", "batch_topk", "l1", "kl", "jumprelu"}, default="topk"
        How few units are active [1]_. "topk": the `n_nonzero_coefs` largest of each row, by value;
        "batch_topk": so many on average [2]_; "l1": by `penalty` times the sum of the absolute
        code; "kl": sigmoid units, by `penalty` times the divergence of their mean activation from
        `rho`; "jumprelu": units above thresholds that are learnt, by `penalty` times the number of
        active ones [3]_.

    penalty : float, default=1.0
        Weight of the penalty, lambda, for "l1", "kl" and "jumprelu".

    n_nonzero_coefs : int or None, default=None
        Active units per row for "topk" and "batch_topk", at most `n_components`; None is a tenth
        of the number of features.

    rho : float, default=0.05
        Mean activation of each unit that "kl" aims at.

    unit_norm : bool, default=True
        Whether the columns of the decoder's first layer, with a linear decoder its atoms, have
        unit norm. It needs a built-in decoder with weights of its own.

    revive : bool, default=True
        Whether silent units are given a new direction, that of a badly reconstructed row.

    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix.

    hidden_layer_sizes : int or tuple of int, default=()
        Widths of the encoder's hidden layers; the decoder has the same in reverse order. Without
        hidden layers the decoder is a dictionary of atoms, `components_`.

    code_activation : str, default="auto"
        Activation function on the code before it is made sparse; same choice as for `activation`.
        "auto" suits `sparsity`: "relu" for "l1" and "jumprelu", "sigmoid" for "kl", "identity"
        for "topk" and "batch_topk", whose codes may be negative.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path that starts at the principal components.
        "auto" is False here: a sparse code starts at random.

    alpha : float or "auto", default="auto"
        Decoupled weight decay; never on biases, on the linear path and on atoms of unit norm.
        "auto" is 0 without a linear path and in `partial_fit`; with one it is what rows gain by
        that the networks have not seen in a trial, 0.1, 1 or 30: see `Autoencoder`.

    {shared parameters}

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The dictionary: atoms in scaled units. With a linear decoder only.

    n_dead_units_ : int
        Number of units that no training row activates.

    {shared attributes}

    See Also
    --------
    sklearn.decomposition.MiniBatchDictionaryLearning : Codes by optimisation for each row.

    Notes
    -----
    The fitted model keeps codes of at most 10000 training rows, for `sample`. `forget_rows` drops
    them; `sample` is then an error, as nothing smaller says which units are active together.

    References
    ----------
    .. [1] A. Makhzani, B. Frey, "k-sparse autoencoders", ICLR 2014; L. Gao et al., "Scaling and
       evaluating sparse autoencoders", 2024.
    .. [2] B. Bussmann, P. Leask, N. Nanda, "BatchTopK sparse autoencoders", 2024.
    .. [3] S. Rajamanoharan et al., "Jumping ahead: improving reconstruction fidelity with JumpReLU
       sparse autoencoders", 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> sae = SparseAutoencoder(100, n_nonzero_coefs=5, max_iter=20, random_state=0).fit(X)
    >>> set((sae.transform(X) != 0).sum(axis=1).tolist())
    {5}
    >>> sae.components_.shape
    (100, 64)
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _module_class = SparseModule

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "sparsity": [StrOptions(set(CODE_ACTIVATIONS))],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "unit_norm": ["boolean"],
        "revive": ["boolean"],
        "sparse_output": ["boolean"],
        "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
    }

    _training_parameters = ("n_nonzero_coefs", "rho", "revive")
    _needs = (
        needs_value("n_nonzero_coefs", "sparsity", "topk", "batch_topk"),
        needs_value("penalty", "sparsity", "l1", "kl", "jumprelu"),
        needs_value("rho", "sparsity", "kl"),
    )

    def __init__(
        self,
        n_components="auto",
        *,
        sparsity="topk",
        penalty=1.0,
        n_nonzero_coefs=None,
        rho=0.05,
        unit_norm=True,
        revive=True,
        sparse_output=False,
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="auto",
        output_activation="identity",
        likelihood="gaussian",
        linear_path="auto",
        tied_weights=False,
        encoder=None,
        decoder=None,
        alpha="auto",
        dropout=0.0,
        scaling="global",
        optimizer="adam",
        learning_rate_init=0.005,
        learning_rate="cosine",
        batch_size="auto",
        max_iter="auto",
        tol=1e-4,
        n_iter_no_change=None,
        early_stopping=False,
        validation_fraction=0.1,
        callbacks=None,
        device="auto",
        dtype="float32",
        distributed=False,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    _components_per_feature = 2

    def _get_code_activation(self):
        if self.code_activation == "auto":
            return CODE_ACTIVATIONS[self.sparsity]
        return self.code_activation

    def _linear_path_by_default(self):
        return False

    def _check_parameters(self):
        super()._check_parameters()
        if self.sparsity == "kl" and ACTIVATIONS[self._get_code_activation()] != torch.sigmoid:
            raise ValueError(
                "sparsity='kl' needs code_activation='sigmoid': activations in (0, 1). "
                f"Got {self.code_activation!r} instead."
            )
        if self.sparsity in OF_A_BATCH:
            kinds = "'topk', 'l1' and 'jumprelu' look at rows one by one"
            check_is_alone(self, f"sparsity={self.sparsity!r}", f"{WHOLE_BATCH}; {kinds}")

    def _get_n_active(self, n_features):
        return int(self.n_nonzero_coefs or max(1, n_features // 10))

    def _check_parameters_for(self, n_features):
        n_components, n_active = n_components_of(self, n_features), self._get_n_active(n_features)
        if self.sparsity not in N_COEFS_KINDS or n_active < n_components:
            return
        if self.n_nonzero_coefs and n_active > n_components:
            raise ValueError(
                f"n_nonzero_coefs must be at most n_components={n_components}. Got {n_active} "
                "instead."
            )
        warn(
            f"All n_components={n_components} units of the code are active for each row: it is "
            "not sparse. Give it more units, or a smaller n_nonzero_coefs.",
            ParameterWarning,
        )

    def _make_module(self, n_features, generator):
        encoder, decoder = self._make_networks(n_features, generator)
        if self.unit_norm and own_layers(decoder):
            decoder.unit_norm = True
        n_components = n_components_of(self, n_features)
        return self._module_class(
            encoder,
            decoder,
            sparsity=self.sparsity,
            penalty=self.penalty,
            n_active=min(self._get_n_active(n_features), n_components),
            rho=self.rho,
            n_components=n_components,
            **self._module_options(),
        )

    def _make_callbacks(self):
        return [("revival", Revival(self._n_epochs, self.revive)), *super()._make_callbacks()]

    def _learn_from_codes(self, X, streaming=False):
        """Count dead units, and keep codes of some training rows for `sample`."""
        active = np.zeros(self._n_features_out, dtype=bool)
        order = make_random_state(self._seed, "sample").permutation(X.shape[0])
        chosen = order < n_of_rank(X, N_STORED_CODES)  # a random subset, as a mask
        kept = []
        for rows, h in self._iter_codes(X):
            active |= self._find_active(h)
            kept.append(sparse.csr_matrix(h[chosen[rows]]))
        codes = sparse.vstack(_ranks.gather(sparse.vstack(kept)), format="csr")
        active = _ranks.largest(active.astype(float)) > 0
        if streaming:
            n_new, codes = codes.shape[0], add_to_stream(self, codes, X.shape[0])
            for rows in iter_chunks(codes.shape[0] - n_new, CHUNK):
                active |= self._find_active(codes[rows].toarray())
        self._codes = codes
        self.n_dead_units_ = int((~active).sum())
        if self.n_dead_units_ > 0.1 * len(active):
            is_counted = self.sparsity in N_COEFS_KINDS
            less = "a larger n_nonzero_coefs" if is_counted else "a smaller penalty"
            warn(
                f"{self.n_dead_units_} of {len(active)} units are dead: no training row activates "
                f"them. Try a smaller n_components, {less} or a max_iter above {self._n_epochs}.",
                DeadUnitsWarning,
            )

    def _find_active(self, h):
        """Return which units are active in one row of codes at least."""
        return self.module_.is_active(torch.from_numpy(h)).any(dim=0).numpy()

    def _iter_codes(self, X):
        return iter_batches(self, X, X.dtype, self._encode_batch)

    def transform(self, X):
        """Return the codes of X.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        Z : {ndarray, CSR matrix} of shape (n_samples, n_components)
            Codes, in scaled units; a CSR matrix with ``sparse_output=True``.
        """
        if not self.sparse_output:
            return super().transform(X)
        X = self._check_X(X)
        return sparse.vstack([sparse.csr_matrix(h) for _, h in self._iter_codes(X)], format="csr")

    @property
    def components_(self):
        if len(own_layers(self.module_.decoder)) != 1:
            raise AttributeError(
                "components_ exists for a built-in, linear decoder only: with decoder=None and "
                "hidden_layer_sizes=()."
            )
        atoms = self.module_.decoder.first_weight().detach().T.cpu().numpy()
        return atoms.astype(self._X_dtype)

    def sample(self, n_samples=1, *, random_state=None):
        """Draw new rows from the distribution of the training codes, decoded.

        Which units are active is taken from a training row, how much from each unit's own
        distribution over the rows that activate it.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        return super().sample(n_samples, random_state=random_state)

    _describes_codes = False  # nothing smaller says which units are active together

    def _draw_codes(self, n_samples, random_state):
        check_codes_are_kept(self, "Draw before that")
        rows = random_state.randint(self._codes.shape[0], size=n_samples)
        Z, by_unit = self._codes[rows], self._codes.tocsc()
        first, last = by_unit.indptr[Z.indices], by_unit.indptr[Z.indices + 1]
        drawn = (random_state.uniform(size=Z.nnz) * (last - first)).astype(int)
        Z.data = by_unit.data[first + drawn]
        return Z

    # Persistence: files know arrays, and not every reader of them scipy's classes

    def __getstate__(self):
        state = super().__getstate__()
        if state.get("_codes") is not None:
            state["_codes"] = to_parts(state["_codes"])
        return state

    def _restore(self, state):
        if isinstance(state.get("_codes"), dict):
            state["_codes"] = from_parts(**state["_codes"])
        super()._restore(state)


def to_parts(codes):
    """Return what a CSR matrix consists of, arrays and its shape by name."""
    parts = {"data": codes.data, "indices": codes.indices, "indptr": codes.indptr}
    return {**parts, "shape": list(codes.shape)}


def from_parts(data, indices, indptr, shape):
    """Return the CSR matrix that `to_parts` has taken apart."""
    return sparse.csr_matrix((data, indices, indptr), shape=shape)
