"""
An autoencoder next to PCA
==========================

Both map a digit of 64 pixels to a few numbers and back. PCA does it with a matrix; an
:class:`~skae.Autoencoder` starts there and bends. The same number of numbers then says more, about
the picture and about the digit in it.
"""

# %%
# Real digits, a third of them held out. Four sizes of the code, everything else by default.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.display import LatentDisplay, ReconstructionDisplay
from skae.metrics import explained_variance

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)

sizes = [2, 4, 8, 16]
models = {
    "PCA": {k: PCA(k).fit(X_train) for k in sizes},
    "Autoencoder": {k: Autoencoder(k, random_state=0).fit(X_train) for k in sizes},
}

# %%
# How much of the pictures a code keeps, and how well a linear classifier reads the digit off it.


def accuracy(model):
    """Return the accuracy on held-out digits of a logistic regression on the codes."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(model.transform(X_train), y_train)
    return classifier.score(model.transform(X_test), y_test)


explained = {
    name: [explained_variance(model, X_test) for model in fitted.values()]
    for name, fitted in models.items()
}
accuracies = {name: [accuracy(m) for m in fitted.values()] for name, fitted in models.items()}

print(f"{'':<12}{'numbers':>8}{'explained':>11}{'accuracy':>10}")
for name in models:
    for k, share, hits in zip(sizes, explained[name], accuracies[name], strict=True):
        print(f"{name:<12}{k:>8}{share:>11.3f}{hits:>10.3f}")

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, title, values in [
    (axes[0], "Explained variance of held-out digits", explained),
    (axes[1], "Accuracy of a logistic regression on the code", accuracies),
]:
    for name, color in [("PCA", "#D55E00"), ("Autoencoder", "#0072B2")]:
        ax.plot(sizes, values[name], "o-", color=color, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, sizes)
    ax.set_ylim(0, 1)
    ax.set(title=title, xlabel="Numbers in the code")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")

# %%
# Held-out digits, and what each model gives back from a code of eight numbers.

ReconstructionDisplay.from_estimator(
    {"PCA, 8": models["PCA"][8], "Autoencoder, 8": models["Autoencoder"][8]}, X_test[:12]
)

# %%
# The codes of two numbers.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for ax, (name, fitted) in zip(axes, models.items(), strict=True):
    LatentDisplay.from_estimator(fitted[2], X_test, y_test, ax=ax, s=14)
    ax.set_title(f"{name}: {explained_variance(fitted[2], X_test):.0%} of the variance")
axes[0].get_legend().remove()

plt.show()
