"""
From one digit to another
=========================

The straight line between the codes of two rows, decoded, passes through rows that might have been
data. The straight line between the rows themselves fades one out and the other in.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import VAE
from skae.display import ReconstructionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=1 / 3, stratify=y, random_state=0
)

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
