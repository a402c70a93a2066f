"""
In which directions does a digit vary?
======================================

A :class:`~skae.ContractiveAutoencoder` is deaf to all changes of a row but those that occur in the
data. The leading singular vectors of its Jacobian are therefore the directions in which this
digit, not digits in general, can change.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import ContractiveAutoencoder
from skae.display import ReconstructionDisplay

X, y = load_digits(return_X_y=True)
model = ContractiveAutoencoder(64, penalty=3.0, random_state=0).fit(X)

chosen = np.array([np.flatnonzero(y == digit)[3] for digit in range(10)])
directions, values = model.tangent_directions(X[chosen], 64)

# %%
# A digit, its four leading directions, and the digit moved along the first one, both ways.

step = 25 * directions[:, 0]
tangents = directions[:, :4].transpose(1, 0, 2)
tangents = 8 + 8 * tangents / np.abs(tangents).max(axis=2, keepdims=True)
rows = np.stack([X[chosen], *tangents, X[chosen] - step, X[chosen] + step])
names = ["digit", "direction 1", "2", "3", "4", "digit - first", "digit + first"]
ReconstructionDisplay(rows.reshape(7, 10, 8, 8), names).plot()

# %%
# Few directions hold most of the change: the spectrum of the Jacobian, beside the one without the
# penalty.

free = ContractiveAutoencoder(64, penalty=0.0, random_state=0).fit(X)
_, free_values = free.tangent_directions(X[chosen], 64)
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for found, name, color in [(values, "penalty 3", "#0072B2"), (free_values, "none", "#D55E00")]:
    ax.plot(np.arange(1, 65), (found / found[:, :1]).T, color=color, alpha=0.25, linewidth=1)
    ax.plot(np.arange(1, 65), np.median(found / found[:, :1], axis=0), color=color, label=name)
ax.set(xlabel="direction", ylabel="singular value / the largest", ylim=(0, 1.02))
ax.legend(frameon=False)
plt.show()
