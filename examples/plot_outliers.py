"""
Odd rows: a threshold from rows held out
========================================

An :class:`~skae.Autoencoder` that has seen the digits 0 to 8 reconstructs a 9 badly. From where on
is an error large? A quantile of digits that it has not seen says so: errors of its training rows
are too small.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.display import ErrorDisplay, ReconstructionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_held_out = train_test_split(X[y < 9], test_size=0.3, random_state=0)
nines = X[y == 9]

models = {"PCA": PCA(8), "Autoencoder": Autoencoder(8, random_state=0)}

# %%
# One in twenty of the digits held out is flagged, by the making of the threshold. How many nines
# are tells what a detector of novelties is worth: more of them with the autoencoder.

fig, axes = plt.subplots(2, 1, figsize=(8.5, 5.5), sharex=True, layout="constrained")
displays = {}
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(X_train)
    displays[name] = ErrorDisplay.from_estimator(
        model, X_held_out, X_train=X_train, X_new=nines, ax=ax
    )
    print(f"{name}: {displays[name].flagged_['new']:.0%} of the nines are flagged")

# %%
# Nines with the largest errors, and with the smallest: these look like other digits to the model.

order = np.argsort(displays["Autoencoder"].errors["new"])
some = nines[np.concatenate([order[-6:], order[:6]])]
ReconstructionDisplay.from_estimator(models["Autoencoder"], some)
plt.show()
