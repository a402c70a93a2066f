"""
Codes in the shape of a prior
=============================

Nothing tells a plain autoencoder where to put its codes. In an
:class:`~skae.AdversarialAutoencoder` a second network learns to tell codes from draws of a prior,
and the encoder learns to fool it: the codes of all digits together then fill a Gaussian, or the
petals of a flower. A draw of the prior, decoded, is a new digit.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AdversarialAutoencoder, Autoencoder
from skae.display import LatentDisplay
from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)

models = {
    "Autoencoder": Autoencoder(2, linear_path=False, random_state=0),
    "Adversarial, Gaussian prior": AdversarialAutoencoder(2, random_state=0),
    "Adversarial, mixture prior": AdversarialAutoencoder(2, prior="mixture", random_state=0),
}
for model in models.values():
    model.fit(X_train)

# %%
# Codes of held-out digits, coloured by label, over draws of the prior in grey.

fig, axes = plt.subplots(1, len(models), figsize=(4.6 * len(models), 4.4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    if hasattr(model, "sample_prior"):
        ax.scatter(*model.sample_prior(3000, random_state=1).T, s=3, c="0.85", zorder=0)
    LatentDisplay.from_estimator(model, X_test, y_test, ax=ax, s=10)
    ax.set_title(f"{name}\n{model.score(X_test):.0%} of the variance of held-out digits")
    ax.set_aspect("equal", "datalim")
for ax in axes[:-1]:
    ax.get_legend().remove()

# %%
# How far the held-out codes are from their prior, in units of what two samples of the prior differ
# by chance (the 95 % quantile under permutation).

for name, model in list(models.items())[1:]:
    first, second = (model.sample_prior(500, random_state=seed) for seed in (1, 2))
    chance = np.quantile(maximum_mean_discrepancy_null(first, second, random_state=0), 0.95)
    for kind, codes in [("its own", model), ("the plain", models["Autoencoder"])]:
        distance = maximum_mean_discrepancy(codes.transform(X_test), first)
        print(f"{name}, {kind} codes: {distance / chance:.1f}")

# %%
# New digits: a grid over the Gaussian's plane, and one row of digits along each petal.

grid = np.stack(np.meshgrid(np.linspace(-2, 2, 12), np.linspace(2, -2, 12)), axis=-1)
angles, radii = 2 * np.pi * np.arange(10) / 10, np.linspace(0.5, 2.2, 8)
petals = radii[None, :, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]

fig, axes = plt.subplots(1, 2, figsize=(9.4, 5), layout="constrained")
for ax, name, codes in [
    (axes[0], "Adversarial, Gaussian prior", grid),
    (axes[1], "Adversarial, mixture prior", petals),
]:
    n_rows, n_columns = codes.shape[:2]
    images = models[name].inverse_transform(codes.reshape(-1, 2))
    tiles = np.pad(images.reshape(n_rows, n_columns, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    tiles = tiles.transpose(0, 2, 1, 3).reshape(10 * n_rows, 10 * n_columns)
    ax.imshow(tiles, cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(name)
    ax.set_axis_off()

plt.show()
