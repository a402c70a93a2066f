"""
An autoencoder read like PCA
============================

How much does each component explain, how many do I need, what does the third one mean? With
``ordered=True`` an autoencoder answers as PCA does, from one fit: each prefix of the code is
a code of its own.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.display import LoadingsDisplay, ReconstructionDisplay, ScreeDisplay

# %%
# The scree plot. PCA's curve is below at every number of components.

X, _ = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, random_state=0)
ae = Autoencoder(16, ordered=True, random_state=0).fit(X_train)
pca = PCA(16).fit(X_train)
ScreeDisplay.from_estimator({"ordered autoencoder": ae, "PCA": pca}, X_test)

# %%
# Digits from their first 1, 2, 4, 8 and 16 numbers. `inverse_transform` takes a prefix of the code
# and fills in the rest as training does.

shown = X_test[:12]
Z = ae.transform(shown)
rows = [shown, *(ae.inverse_transform(Z[:, :j]) for j in (1, 2, 4, 8, 16))]
images = np.stack(rows).reshape(6, 12, 8, 8)
names = ["input", "1 number", *(f"{j} numbers" for j in (2, 4, 8, 16))]
ReconstructionDisplay(images, names).plot()

# %%
# How many? As many as explain 90 % of the training rows.

print(
    Autoencoder(0.9, ordered=True, max_iter=60, random_state=0).fit(X_train).n_components_,
    "numbers,",
)
print(PCA(0.9).fit(X_train).n_components_, "with PCA")

# %%
# What does a component mean? Its loadings are the mean change of the number with each feature.

wine = load_wine(as_frame=True).data
model = Autoencoder(3, ordered=True, random_state=0).fit(wine / wine.std())
LoadingsDisplay.from_estimator(model)
plt.show()
