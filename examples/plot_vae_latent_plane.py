"""
The latent plane of a VAE
=========================

A :class:`~skae.VAE` gives each digit a distribution over codes, q(z | x). The mean of them all,
the aggregated posterior q(z), should be the prior p(z) from which new codes are drawn. How far it
is from that, and what the codes say about the digits, are parts of the bound that is maximised.
"""

# %%
# Codes of two numbers, under the standard prior and under one that is learned.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import VAE
from skae.display import LatentDisplay, ManifoldDisplay, ReconstructionDisplay

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
# What the codes cost, in nats: the KL. It is, on one hand, what they say about the digit (mutual
# information, at most the logarithm of the number of digits) and how far they are from the prior
# all together; on the other hand the length of a code under the prior, less the entropy of
# q(z | x) (negative here: the posteriors are narrow). A learned prior fits better and pays less.

terms = {name: model.elbo_decomposition(X_test) for name, model in models.items()}
for name, values in terms.items():
    print(name, {term: round(value, 2) for term, value in values.items()})

parts = [
    ("KL from the prior", [("kl", 1, "#0072B2")]),
    (
        "mutual information\n+ KL of the aggregate",
        [("mutual_information", 1, "#009E73"), ("marginal_kl", 1, "#E69F00")],
    ),
    (
        "cross-entropy\n- conditional entropy",
        [("cross_entropy", 1, "#56B4E9"), ("conditional_entropy", -1, "#CC79A7")],
    ),
]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 2.9), layout="constrained", sharex=True, sharey=True)
for ax, (name, values) in zip(axes, terms.items(), strict=True):
    for row, (_, bars) in enumerate(parts):
        left = 0.0
        for term, sign, color in bars:
            width = sign * values[term]
            ax.barh(row, width, left=left, color=color, edgecolor="white")
            inside = width > 0.7
            x = left + (width / 2 if inside else width + 0.06)
            style = {"color": "white" if inside else color, "ha": "center" if inside else "left"}
            ax.text(x, row, f"{width:.2f}", va="center", weight="bold", **style)
            left += width
    ax.axvline(np.log(len(X_test)), color="0.4", linestyle=":", linewidth=1)
    ax.text(np.log(len(X_test)), -0.55, "log n", color="0.4", ha="center", va="bottom")
    ax.set(title=name, xlabel="nats per digit", xlim=(0, 7), ylim=(2.5, -0.55))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_yticks(range(len(parts)), [label for label, _ in parts])

# %%
# A manifold: every code of a grid over the plane, decoded. Neighbours on the paper are neighbours
# for the model, and each digit has its country.

fig, axes = plt.subplots(1, 2, figsize=(9.6, 5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ManifoldDisplay.from_estimator(model, X_test, n_images=18, ax=ax)
    ax.set_title(name)

# %%
# Between two held-out digits: the straight line between their codes, decoded, and the straight
# line between their pixels, which fades one digit out and the other in. On its way from 0 to 1
# and from 4 to 3 the model passes through a 9. Codes of five numbers.

model = VAE(5, random_state=0).fit(X_train)
share = np.linspace(0, 1, 10)[:, None]
rows = []
for first, second in [(0, 1), (4, 3), (0, 7)]:
    x0, x1 = X_test[y_test == first][0], X_test[y_test == second][0]
    rows += [model.interpolate(x0, x1, n_steps=10), (1 - share) * x0 + share * x1]
names = ["VAE", "pixels"] * 3
ReconstructionDisplay(np.reshape(rows, (6, 10, 8, 8)), names).plot(cmap="gray_r", vmin=0, vmax=16)

# %%
# Is the middle a digit? The distance to the nearest digit of the training data, over all pairs of
# held-out digits next to each other in the data whose labels differ.

differ = y_test[1:] != y_test[:-1]
Z = model.transform(X_test)
middles = {
    "held-out digits": X_test,
    "between pixels": ((X_test[1:] + X_test[:-1]) / 2)[differ],
    "between codes": model.inverse_transform(((Z[1:] + Z[:-1]) / 2)[differ]),
}
neighbors = NearestNeighbors(n_neighbors=1).fit(X_train)
for name, images in middles.items():
    print(f"{name:<16} {neighbors.kneighbors(images)[0].mean():.1f}")

plt.show()
