"""
What spacing and null weight do to a map
========================================

A :class:`~skae.GLGAE` has one knob that matters, the distance between neighbouring nodes in units
of the kernel's width. A second one, the weight of the null node, matters only where codes may
leave the nodes.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from skae import GLGAE

rng = np.random.default_rng(0)
t = rng.uniform(0, np.pi, 400)
X = np.stack([np.cos(t), np.sin(t)], axis=1) + rng.normal(scale=0.08, size=(400, 2))

# %%
# Rows around a half circle, a code of one number, 15 nodes. The line is what codes are decoded to,
# the dots are what nodes stand for. With "reconstruction" nodes close together give a smooth
# decoder; from a spacing of 1 on it has bends to spare, follows the noise, and folds. With "bound"
# every node is a mean of data: close together they are averaged once more, and the curve shrinks;
# 2 is about right. Far apart, nodes stand each for itself and the line is a polygon; a node that
# no row has come to falls back to the mean of the data.

fig, axes = plt.subplots(2, 4, figsize=(12, 5.5), layout="constrained", sharex=True, sharey=True)
for row, objective in zip(axes, ("reconstruction", "bound"), strict=True):
    for ax, spacing in zip(row, (0.3, 1, 2, 5), strict=True):
        model = GLGAE(1, n_nodes=15, objective=objective, spacing=spacing).fit(X)
        ends = model.nodes_latent_.min(), model.nodes_latent_.max()
        line = model.inverse_transform(np.linspace(*ends, 500)[:, None])
        ax.scatter(*X.T, s=4, color="0.8")
        ax.plot(*line.T, color="C0")
        ax.scatter(*model.prototypes_.T, s=14, color="C1", zorder=3)
        ax.set(title=f"{objective}, spacing {spacing}", aspect="equal")
        ax.set_axis_off()

# %%
# Codes without a box around the nodes. A row that the last node explains best is the better
# explained the further its code is from all others: without a null node, codes run away. The null
# node holds them back; the box ends it, at the price of codes that pile up on its edge.

fig, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained", sharey=True)
settings = [
    {"null_weight": 0.0, "constrain": False},
    {"null_weight": 1e-2, "constrain": False},
    {"null_weight": 10.0, "constrain": False},
    {"null_weight": 1e-2, "constrain": True},
]
for ax, chosen in zip(axes, settings, strict=True):
    model = GLGAE(1, n_nodes=15, objective="bound", **chosen).fit(X)
    ax.hist(model.transform(X)[:, 0], bins=40)
    ax.plot(model.nodes_latent_[:, 0], np.full(15, -4.0), "|", color="C1")
    box = ", in the box" if chosen["constrain"] else ""
    ax.set(title=f"b = {chosen['null_weight']:g}{box}", xlabel="code", yticks=[])
plt.show()
