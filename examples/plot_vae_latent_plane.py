"""
The latent plane of a VAE
=========================

A :class:`~skae.VAE` gives each digit a distribution over codes, q(z | x). The mean of them all,
the aggregated posterior q(z), should be the prior p(z) from which new codes are drawn. How far it
is from that decides whether decoded draws look like digits.
"""

# %%
# Codes of two numbers, under the standard prior and under one that is learned.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import VAE
from skae.display import LatentDisplay, ManifoldDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
models = {
    "Standard prior": VAE(2, random_state=0).fit(X_train),
    "VampPrior": VAE(2, prior="vamp", random_state=0).fit(X_train),
}

# %%
# Above, the codes of held-out digits, coloured by label. Below, the aggregated posterior of the
# same digits (blue) and the prior (orange): the smallest regions that hold 50, 90 and 99 % of
# each. Where the prior has mass and the posteriors have none, a draw becomes a digit that nobody
# has written; digits outside the prior are hardly ever drawn.


def posterior_density(model, z):
    """Return q(z), the mean of the densities of q(z | x) over held-out digits."""
    means, covariances = model.posterior(X_test)
    precisions = np.linalg.inv(covariances)
    density = np.zeros(len(z))
    for mean, precision in zip(means, precisions, strict=True):
        squares = np.einsum("ni,ij,nj->n", z - mean, precision, z - mean)
        density += np.exp(-squares / 2) * np.sqrt(np.linalg.det(precision)) / (2 * np.pi)
    return density / len(means)


def prior_density(model, z):
    """Return p(z)."""
    with torch.inference_mode():
        return model.module_.p_z().log_prob(torch.as_tensor(z, dtype=torch.float32)).exp().numpy()


def region_levels(density, shares=(0.99, 0.9, 0.5)):
    """Return the densities at the borders of the smallest regions that hold these shares."""
    largest_first = np.sort(density, axis=None)[::-1]
    held = largest_first.cumsum() / largest_first.sum()
    return [largest_first[np.searchsorted(held, share)] for share in shares]


fig, axes = plt.subplots(
    2, 2, figsize=(9.6, 9.2), layout="constrained", sharex="col", sharey="col"
)
for (above, below), (name, model) in zip(axes.T, models.items(), strict=True):
    LatentDisplay.from_estimator(model, X_test, y_test, ax=above, s=12)
    above.set(title=f"{name}: at least {model.score(X_test):.1f} nats a digit", xlabel="")

    half = 1.2 * np.quantile(np.abs(model.transform(X_test)), 0.998)
    u, v = np.meshgrid(*2 * [np.linspace(-half, half, 150)])
    z = np.column_stack([u.ravel(), v.ravel()])
    q, p = (density(model, z).reshape(u.shape) for density in (posterior_density, prior_density))
    below.contourf(
        u, v, q, levels=[*region_levels(q), q.max()], colors=["#d3e5f2", "#8fbfdf", "#0072B2"]
    )
    below.contour(u, v, p, levels=region_levels(p), colors="#D55E00", linewidths=1.2)
    below.set(xlabel="code 0", ylabel="code 1", aspect="equal")
    above.set_aspect("equal")
axes[0, 0].get_legend().remove()

# %%
# A manifold: every code of a grid over the plane, decoded. Neighbours on the paper are neighbours
# for the model, and each digit has its country.

fig, axes = plt.subplots(1, 2, figsize=(9.6, 5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ManifoldDisplay.from_estimator(model, X_test, n_images=18, ax=ax)
    ax.set_title(name)
plt.show()
