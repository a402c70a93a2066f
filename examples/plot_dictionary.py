"""
A dictionary of digits
======================

A :class:`~skae.SparseAutoencoder` writes each digit as a sum of a few atoms out of many. With
``n_nonzero_coefs=1`` an atom must do alone, and the dictionary is one of whole digits, as in
k-means; with more of them it becomes one of strokes.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import SparseAutoencoder
from skae.display import DictionaryDisplay, ReconstructionDisplay

X, _ = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=1 / 3, random_state=0)
models = {
    k: SparseAutoencoder(96, n_nonzero_coefs=k, random_state=0).fit(X_train) for k in (1, 3, 10)
}

fig, axes = plt.subplots(3, 1, figsize=(8, 11), layout="constrained")
for ax, (k, model) in zip(axes, models.items(), strict=True):
    DictionaryDisplay.from_estimator(model, ax=ax)
    atoms = "1 atom" if k == 1 else f"{k} atoms"
    ax.set_title(f"{atoms} a digit: {model.score(X_test):.0%} of the variance of held-out digits")

# %%
# Held-out digits, rebuilt from their atoms.

ReconstructionDisplay.from_estimator({f"{k} of 96": m for k, m in models.items()}, X_test[:12])
plt.show()
