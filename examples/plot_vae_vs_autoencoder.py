"""
What the noise and the KL do
============================

A :class:`~skae.VAE` is an autoencoder with two things more: noise on the code, of a size that the
encoder chooses for each row, and the KL, a price on codes that are unlike the prior. Noise without
a price changes little: the encoder makes it so small, and the codes so far apart, that it does not
matter.
"""

# %%
# An autoencoder, a VAE without the price (``beta=0``), and a VAE, with networks of the same size.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import EllipseCollection
from scipy.stats import entropy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import VAE, Autoencoder
from skae.display import LatentDisplay, ReconstructionDisplay
from skae.metrics import explained_variance

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)
models = {
    "Autoencoder": Autoencoder(2, random_state=0).fit(X_train),
    "VAE without KL": VAE(2, beta=0, random_state=0).fit(X_train),
    "VAE": VAE(2, random_state=0).fit(X_train),
}

# %%
# Codes of held-out digits, coloured by label. The ellipses are q(z | x), two standard deviations
# wide on each side, the circles N(0, I) at one, two and three. The autoencoder has none: its codes
# have mean 0 and variance 1, and lie where they like otherwise. Without the KL the ellipses are
# there, hidden beneath the dots. The KL keeps them wide and near the origin, at hardly any cost in
# variance explained.


def draw_posteriors(ax, model):
    """Draw q(z | x) of the held-out digits; its covariance is diagonal here."""
    means, covariances = model.posterior(X_test)
    widths = 4 * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    ellipses = EllipseCollection(
        *widths.T,
        np.zeros(len(means)),
        units="xy",
        offsets=means,
        offset_transform=ax.transData,
        facecolors=plt.get_cmap("tab10")(y_test),
        alpha=0.12,
        zorder=0,
    )
    ax.add_collection(ellipses)


fig, axes = plt.subplots(1, 3, figsize=(12.6, 4.4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    LatentDisplay.from_estimator(model, X_test, y_test, ax=ax, s=8)
    if isinstance(model, VAE):
        draw_posteriors(ax, model)
    for radius in (1, 2, 3):
        ax.add_patch(plt.Circle((0, 0), radius, fill=False, color="0.3", linewidth=0.8))
    ax.set_title(f"{name}\n{explained_variance(model, X_test):.0%} of the variance explained")
    ax.set_aspect("equal", "datalim")
for ax in axes[:-1]:
    ax.get_legend().remove()

# %%
# Draws of N(0, I), decoded. Without the price the codes are spread too far for it, and some kinds
# of digits are missing. The autoencoder's have mean 0 and variance 1 by their units, but gaps
# between the kinds: ``sample`` draws around the codes of training rows, here and in every model.

z = np.random.default_rng(0).normal(size=(1000, 2))
drawn = {f"{name}, N(0, I)": model.inverse_transform(z) for name, model in models.items()}
drawn["Autoencoder, sample"] = models["Autoencoder"].sample(1000)
images = np.stack([rows[:16] for rows in drawn.values()]).reshape(-1, 16, 8, 8)
ReconstructionDisplay(images, list(drawn)).plot(cmap="gray_r", vmin=0, vmax=16)

# %%
# How many kinds: the label of the nearest digit of the training data, and the exponential of the
# entropy of these labels. Ten would be all digits in equal shares.

nearest = KNeighborsClassifier(n_neighbors=1).fit(X_train, y_train)
for name, rows in drawn.items():
    shares = np.bincount(nearest.predict(rows), minlength=10) / len(rows)
    print(f"{name:<24} {np.exp(entropy(shares)):4.1f} kinds of digits")

plt.show()
