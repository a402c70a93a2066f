"""
Codes in the shape of a prior
=============================

Nothing tells a plain autoencoder where to put its codes. In an
:class:`~skae.AdversarialAutoencoder` a second network learns to tell codes from draws of a prior,
and the encoder learns to fool it: the codes of all digits together then fill a Gaussian, or the
petals of a flower. A draw of the prior, decoded, is a new digit. A :class:`~skae.VAE` has the same
aim, but asks it of the code of each digit, not of all together.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import VAE, AdversarialAutoencoder, Autoencoder
from skae.display import LatentDisplay, PriorDisplay
from skae.metrics import (
    explained_variance,
    maximum_mean_discrepancy,
    maximum_mean_discrepancy_null,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)

models = {
    "Autoencoder": Autoencoder(2, linear_path=False, random_state=0),
    "VAE": VAE(2, linear_path=False, random_state=0),
    "Adversarial, Gaussian prior": AdversarialAutoencoder(2, max_iter=120, random_state=0),
    "Adversarial, mixture prior": AdversarialAutoencoder(
        2, prior="mixture", max_iter=120, random_state=0
    ),
}
for model in models.values():
    model.fit(X_train)

# %%
# Codes of held-out digits, coloured by label, over the regions that hold 50, 90 and 99 % of the
# prior. The VAE's are draws of q(z | x), since its decoder sees nothing else.

displays = {}
fig, axes = plt.subplots(2, 2, figsize=(9.4, 9), layout="constrained")
for ax, (name, model) in zip(axes.flat, models.items(), strict=True):
    kind = LatentDisplay if name == "Autoencoder" else PriorDisplay
    displays[name] = kind.from_estimator(model, X_test, y_test, ax=ax, s=10)
    explained = explained_variance(model, X_test)
    ax.set_title(f"{name}\n{explained:.0%} of the variance of held-out digits")
    ax.set_aspect("equal", "datalim")
    ax.get_legend().remove()
fig.legend(
    *ax.get_legend_handles_labels(), loc="outside right center", frameon=False, markerscale=3
)

# %%
# How far the held-out codes are from the prior, in units of what two samples of the prior differ
# by chance (the 95 % quantile under permutation). Plain codes have unit variance, and are about as
# near to a Gaussian as the adversarial ones; they are far from the flower.

for name in list(models)[1:]:
    first, second = displays[name].Z_prior[:1000].reshape(2, 500, 2)
    chance = np.quantile(maximum_mean_discrepancy_null(first, second, random_state=0), 0.95)
    for kind in (name, "Autoencoder"):
        distance = maximum_mean_discrepancy(displays[kind].Z, first)
        print(f"{name}, codes of {kind}: {distance / chance:.1f}")

# %%
# New digits: a grid over the Gaussian's plane, and one row of digits along each petal.

plane = np.stack(np.meshgrid(np.linspace(-2, 2, 12), np.linspace(2, -2, 12)), axis=-1)
angles, radii = 2 * np.pi * np.arange(10) / 10, np.linspace(0.5, 2.2, 8)
petals = radii[None, :, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]

fig, axes = plt.subplots(1, 2, figsize=(9.4, 5), layout="constrained")
for ax, name, grid in [
    (axes[0], "Adversarial, Gaussian prior", plane),
    (axes[1], "Adversarial, mixture prior", petals),
]:
    n_rows, n_columns = grid.shape[:2]
    images = models[name].inverse_transform(grid.reshape(-1, 2))
    tiles = np.pad(images.reshape(n_rows, n_columns, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    tiles = tiles.transpose(0, 2, 1, 3).reshape(10 * n_rows, 10 * n_columns)
    ax.imshow(tiles, cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(name)
    ax.set_axis_off()

plt.show()
