"""
What denoising learns: the slope of the density
===============================================

What a :class:`~skae.DenoisingAutoencoder` adds to a point, divided by the variance of its noise,
is the gradient of the log density of the data (smoothed by the noise): ``score_field``. It points
to where data are, and vanishes at the peaks, at the saddles between them and in the pits.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from skae import DenoisingAutoencoder
from skae.display import VectorFieldDisplay

rng = np.random.default_rng(0)
means = np.array([[-2.5, 0.0], [2.5, 0.0], [0.0, 3.5]])
peaks = means[rng.integers(3, size=3000)] + 0.7 * rng.normal(size=(3000, 2))
t = rng.uniform(0, 2 * np.pi, size=3000)
ring = 2.5 * np.column_stack([np.cos(t), np.sin(t)]) + 0.08 * rng.normal(size=(3000, 2))
data = {"Three peaks": (peaks, 0.3), "A closed curve": (ring, 0.25)}

# %%
# Left: arrows along the field, light where it is weak: at the three peaks, at the saddles and in
# the pit among them. Right: on both sides the field points back to the curve.

fig, axes = plt.subplots(1, 2, figsize=(11.5, 5), layout="constrained")
for ax, (title, (X, level)) in zip(axes, data.items(), strict=True):
    model = DenoisingAutoencoder(corruption_level=level, random_state=0).fit(X)
    VectorFieldDisplay.from_estimator(model, X, ax=ax)
    ax.set(title=title, aspect="equal")

# %%
# New points: a Markov chain along the field, from one Gaussian to where the data are.

model = DenoisingAutoencoder(corruption_level=0.3, random_state=0).fit(peaks)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharex=True, sharey=True)
for ax, n_steps in zip(axes, (1, 10, 100), strict=True):
    ax.scatter(*peaks[:600].T, s=3, color="0.75", linewidths=0)
    ax.scatter(*model.sample(600, n_steps=n_steps).T, s=4, color="#0072B2", linewidths=0)
    ax.set(title=f"{n_steps} step{'s' * (n_steps > 1)}", aspect="equal", xticks=[], yticks=[])
plt.show()
