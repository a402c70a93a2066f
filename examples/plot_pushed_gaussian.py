"""
How a decoder makes data out of a Gaussian
==========================================

A variational autoencoder draws its codes from N(0, I), yet its data may have any shape. A matrix
turns and stretches a Gaussian, which leaves it a Gaussian; the activation after it bends. Nothing
is trained here: the layers are numpy's, their numbers made up.
"""

# %%
# Draws of z, coloured by quadrant, and two circles around the origin. Whatever a layer does to the
# plane it does to them.

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(1)
z = rng.normal(size=(4000, 2))
colors = np.array(["#0072B2", "#D55E00", "#009E73", "#CC79A7"])[2 * (z[:, 0] > 0) + (z[:, 1] > 0)]
angles = np.linspace(0, 2 * np.pi, 400)
circles = [r * np.column_stack([np.cos(angles), np.sin(angles)]) for r in (1, 2)]

W, b = np.array([[0.9, 0.6], [-0.2, 0.8]]), np.array([0.3, 0.2])


def layer(z, activation):
    """Return activation(W z + b) for each row."""
    return activation(z @ W.T + b)


maps = {
    "z, drawn from N(0, I)": lambda z: z,
    "W z + b": lambda z: layer(z, lambda a: a),
    "sinh(W z + b)": lambda z: layer(z, np.sinh),
    "tanh(W z + b)": lambda z: layer(z, np.tanh),
    "relu(W z + b)": lambda z: layer(z, lambda a: np.maximum(a, 0)),
}


def draw(ax, title, push, noise=0.0):
    """Draw where the codes and the circles go."""
    x = push(z) + noise * rng.normal(size=z.shape)
    ax.scatter(*x.T, s=4, c=colors, alpha=0.6, linewidths=0, rasterized=True)
    for circle in circles:
        ax.plot(*push(circle).T, color="black", linewidth=1)
    low, high = np.quantile(x, [0.01, 0.99], axis=0)
    center, half = (low + high) / 2, 0.62 * (high - low).max()
    ax.set(title=title, aspect="equal")
    ax.set(xlim=center[0] + [-half, half], ylim=center[1] + [-half, half])


fig, axes = plt.subplots(2, 3, figsize=(11, 7.4), layout="constrained")
for ax, (title, push) in zip(axes.flat, maps.items(), strict=False):
    draw(ax, title, push)

# %%
# sinh spreads the tails, so that a few rows lie far out along the axes. tanh crowds the draws
# against the sides of a square, relu presses a part of them onto two lines and one point, where a
# density no longer exists.
#
# More layers can wind the plane along a curve. What they leave thin, the noise of p(x | z)
# thickens: with noise there is a density everywhere, and so a likelihood of any row.


def curl(z):
    """Return points near a spiral: the first code runs along it, the second across."""
    turn = 2.2 * z[:, 0] + 5.5
    return (0.35 * turn + 0.22 * z[:, 1])[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])


draw(axes[1, 2], "more layers, and noise on x", curl, noise=0.06)
plt.show()
