"""The first places of the nodes of `GLGAE`, among the data and among the codes."""

import math

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.utils import check_array

from .. import _ranks
from ..data.moments import principal_components, weighted_moments
from ..data.tables import chunk_to_tensor, distinct_rows
from ..estimator.sampling import n_of_rank
from ..training.randomness import make_generator, make_random_state

SPACINGS = {"reconstruction": 1.0, "bound": 2.0, "likelihood": 2.0}
LARGEST_GRID = 3  # components
N_CLUSTERED_ROWS = 10000  # training rows that k-means places nodes by


def check_layout(estimator):
    """Refuse a layout that does not go with the number of components."""
    if isinstance(estimator.node_layout, str):
        if estimator.node_layout == "grid" and estimator.n_components > LARGEST_GRID:
            raise ValueError(
                f"node_layout='grid' is for at most {LARGEST_GRID} components. Got "
                f"n_components={estimator.n_components}: leave node_layout at 'auto'."
            )
        return
    places = check_array(estimator.node_layout, dtype=np.float64, input_name="node_layout")
    if places.shape[1] != estimator.n_components:
        raise ValueError(
            f"node_layout must have n_components={estimator.n_components} columns. Got "
            f"{places.shape[1]} instead."
        )


def lay_out(estimator, X, rows, weights):
    """Return places of the nodes among the scaled data and among the codes.

    Parameters
    ----------
    estimator : GLGAE
        It knows its units.
    X : table of shape (n_samples, n_features)
    rows : RowsOnDevice or RowsOnHost
        Those of X, in the network's units.
    weights : tensor of shape (n_samples,)

    Returns
    -------
    A : ndarray of shape (n_nodes, n_features)
    B : ndarray of shape (n_nodes, n_components)
    """
    layout, n_components = estimator.node_layout, estimator.n_components
    if isinstance(layout, str):
        if layout == "auto":
            layout = "grid" if n_components <= LARGEST_GRID else "kmeans"
        if layout == "kmeans":
            return _cluster(estimator, X, weights)
        B = _make_grid(estimator.n_nodes, n_components, _spacing_of(estimator))
    else:
        B = np.array(layout, dtype=np.float64)
    generator = make_generator(estimator._seed, "initialisation")
    return _spread_over_principal_plane(B, rows, weights, generator), B


def _spacing_of(estimator):
    """Return the distance of neighbouring nodes among the codes."""
    return SPACINGS[estimator.objective] if estimator.spacing is None else estimator.spacing


def _make_grid(n_nodes, n_components, spacing):
    side = max(1, round(n_nodes ** (1 / n_components)))
    axis = (np.arange(side) - (side - 1) / 2) * spacing
    grid = np.stack(np.meshgrid(*[axis] * n_components, indexing="ij"), -1)
    return grid.reshape(-1, n_components)


def _spread_over_principal_plane(B, rows, weights, generator):
    """Return places among the data that lie to each other as those among the codes do."""
    mean = torch.zeros(rows.shape[1], dtype=torch.float64)
    components, variances, _ = principal_components(rows, weights, mean, B.shape[1], generator)
    U = B / (np.abs(B).max() or 1.0) * 1.8 * variances.sqrt().numpy()
    return U @ components.numpy()


def _cluster(estimator, X, weights):
    """Return the centres of k-means, and their principal coordinates."""
    n_components, scale = estimator.n_components, estimator.scale_
    random_state = make_random_state(estimator._seed, "initialisation")
    n_chosen = n_of_rank(X, N_CLUSTERED_ROWS)
    chosen = np.sort(random_state.permutation(X.shape[0])[:n_chosen])
    some = estimator._units.enter(chunk_to_tensor(X, chosen), torch.float64).numpy()
    weights = weights.double().cpu().numpy()[chosen]
    some, weights = (np.concatenate(_ranks.gather(part)) for part in (some, weights))
    A = _cluster_centres(some, weights, estimator.n_nodes, random_state)
    A = _ranks.from_rank(A)
    B = _principal_coordinates(A, n_components)
    wanted = _spacing_of(estimator) * len(A) ** (1 / n_components) / math.sqrt(12)
    # Centres of rows that are all one differ by rounding, which is not to be spread out.
    spread = np.sqrt(B.var(axis=0).mean())
    differ = weighted_moments(estimator.mean_ + scale * A).deviation.any()
    return A, B * (wanted / spread if differ and spread else 0.0)


def _cluster_centres(X, weights, n_clusters, random_state):
    """Return the centres of k-means, as many as there are rows at most.

    Where fewer rows differ than there are centres, these rows are the solution: some are repeated.
    """
    n_clusters, weighty = min(n_clusters, len(X)), X[weights > 0]
    different = weighty[distinct_rows(weighty)]
    if len(different) < n_clusters:
        return np.resize(different, (n_clusters, X.shape[1]))
    kmeans = KMeans(n_clusters, n_init=1, random_state=random_state)
    return kmeans.fit(X, sample_weight=weights).cluster_centers_


def _principal_coordinates(A, n_components):
    """Return the coordinates of points along their principal axes, zero beyond their rank."""
    centred = A - A.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    B = np.zeros((len(A), n_components))
    k = min(n_components, len(singular))
    B[:, :k] = left[:, :k] * singular[:k]
    return B
