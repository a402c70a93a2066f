"""
Completions of half-hidden digits
=================================

What is hidden may be this or that. Given what is visible, a :class:`~skae.ConditionalVAE` draws
whole images, several for one input (structured output, Sohn, Lee and Yan, 2015); a regression
would return one, the blurred mean of them. The condition is the visible pixels and which they are.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skae import ConditionalVAE

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)


def as_condition(X, visible):
    """Return visible pixels and mask side by side, (n_samples, 2 * n_pixels)."""
    return np.hstack([np.where(visible, X, 0), np.broadcast_to(visible, X.shape)])


def hide_blocks(X, rng, side=8, shortest=4):
    """Hide one block of pixels of each square image, of random shape and place.

    One edge of a block is `shortest` pixels long, the other up to `side`: a quarter to a half.

    Returns
    -------
    visible : ndarray of bool of shape (n_samples, side * side)
        False in the block.
    """
    n = len(X)
    edges = np.column_stack([np.full(n, shortest), rng.integers(shortest, side + 1, n)])
    edges = rng.permuted(edges, axis=1)
    start = rng.integers(0, side + 1 - edges)
    inside = [
        (np.arange(side) >= a[:, None]) & (np.arange(side) < (a + length)[:, None])
        for a, length in zip(start.T, edges.T, strict=True)
    ]
    return ~(inside[0][:, :, None] & inside[1][:, None, :]).reshape(n, -1)


# %%
# Each training digit is shown eight times, with another block hidden each time. The three priors:
# a learned one, p(z | c); N(0, I) whatever is visible; and none while training.

rng = np.random.default_rng(0)
X_many = np.tile(X_train, (8, 1))
C_many = as_condition(X_many, hide_blocks(X_many, rng))
C_test = as_condition(X_test, hide_blocks(X_test, rng))
models = {
    prior: ConditionalVAE(8, conditional_prior=prior, max_iter=20, random_state=0).fit(
        X_many, condition=C_many
    )
    for prior in ["learned", "standard", "none"]
}

# %%
# The lower half hidden, several completions of each digit, and their mean. What could become a 3
# or an 8 is now one, now the other. Visible pixels are shown as they are.

upper = np.repeat([True, False], 32)
n_draws = 8
completions = {}
for prior, model in models.items():
    drawn = model.sample(n_draws, condition=as_condition(X_test, upper), observation_noise=False)
    completions[prior] = np.where(upper, X_test[:, None], drawn.reshape(-1, n_draws, 64))


def show(axes, images):
    """Draw digits; what is NaN is hidden, and drawn in blue."""
    for ax, image in zip(axes, images, strict=True):
        cmap = plt.get_cmap("gray_r").with_extremes(bad="#a6c8e4")
        ax.imshow(image.reshape(8, 8), cmap=cmap, vmin=0, vmax=16)


fig, axes = plt.subplots(
    8,
    4 + n_draws,
    figsize=(8.4, 6),
    width_ratios=[1, 1, 1, 0.35, *[1] * n_draws],
    subplot_kw={"xticks": [], "yticks": [], "frame_on": False},
    layout="constrained",
)
for line, x, drawn in zip(axes, X_test, completions["learned"], strict=False):
    show(line[:3], [x, np.where(upper, x, np.nan), drawn.mean(axis=0)])
    show(line[4:], drawn)
for column, title in enumerate(["original", "visible", "mean"]):
    axes[0, column].set_title(title, fontsize=10)
axes[0, 4].set_title("completions", fontsize=10, loc="left")
plt.show()

# %%
# The prior decides. A learned one knows which codes go with the visible half. With N(0, I) the
# decoder alone has to know, and without a prior many draws fall where no codes were. A support
# vector machine that has seen real digits says which digit a completion is.

judge = SVC().fit(X_train, y_train)
half_seen = SVC().fit(X_train * upper, y_train).score(X_test * upper, y_test)
print(f"From the upper half alone a classifier tells {half_seen:.0%} of the digits.")
print(f"{'prior':<10} {'held-out score':>14} {'completed to the true digit':>28}")
for prior, drawn in completions.items():
    right = judge.score(drawn.reshape(-1, 64), np.repeat(y_test, n_draws))
    score = models[prior].score(X_test, condition=C_test)
    print(f"{prior:<10} {score:14.1f} {right:28.0%}")
