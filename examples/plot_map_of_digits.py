"""
A map of digits
===============

:class:`~skae.GLGAE` lays its nodes on a grid in the plane of the codes. Each node also has a place
among the data; a code mixes the nodes around it. What comes out is a map: every place on it can be
decoded, and every digit, also one never seen, has a place.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import GLGAE
from skae.display import LatentDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
model = GLGAE(objective="bound", n_nodes=225).fit(X_train)


def draw_atlas(model, ax):
    """Draw the prototypes where their nodes lie, first component to the right."""
    side = round(model.n_nodes_**0.5)
    images = model.prototypes_.reshape(side, side, 8, 8)
    rows = images.transpose(1, 2, 0, 3)[::-1]  # second component upwards
    ax.imshow(rows.reshape(8 * side, 8 * side), cmap="gray_r", vmin=0, vmax=16)
    ax.set_axis_off()


# %%
# Left, held-out digits over the grid of nodes. Right, the atlas: what each node stands for. With
# ``objective="bound"`` a node is a mean of digits, as in a self-organising map.

fig, (left, right) = plt.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
left.scatter(*model.nodes_latent_.T, marker="+", color="0.75", linewidths=0.8)
LatentDisplay.from_estimator(model, X_test, y_test, ax=left, s=14)
left.set(title="held-out digits", aspect="equal")
draw_atlas(model, right)
right.set_title("what the nodes stand for")

# %%
# The three objectives side by side: codes, and prototypes. "reconstruction" has the lowest error.
# "likelihood" lets each digit choose one node: codes sit on top of each other, as in vector
# quantisation.

names = ("reconstruction", "bound", "likelihood")
models = {name: GLGAE(objective=name).fit(X_train) for name in names}

fig, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
for (upper, lower), (name, model) in zip(axes.T, models.items(), strict=True):
    LatentDisplay.from_estimator(model, X_test, y_test, ax=upper, s=8)
    upper.get_legend().remove()
    error = model.reconstruction_error(X_test).sum() / ((X_test - X_test.mean(axis=0)) ** 2).sum()
    upper.set(title=f"{name}: {1 - error:.0%} of the variance", aspect="equal")
    draw_atlas(model, lower)

# %%
# A walk across the map: codes on a line between two digits, decoded.

model = models["reconstruction"]
zero, seven = (np.flatnonzero(y_test == digit)[0] for digit in (0, 7))
start, end = model.transform(X_test[[zero, seven]])
walk = model.inverse_transform(np.linspace(start, end, 12))

fig, axes = plt.subplots(1, 12, figsize=(12, 1.3), layout="constrained")
for ax, image in zip(axes, walk, strict=True):
    ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    ax.set_axis_off()
plt.show()
