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
from skae.display import ReconstructionDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)


def as_condition(X, visible):
    """Return visible pixels and mask side by side, (n_samples, 2 * n_pixels)."""
    return np.hstack([np.where(visible, X, 0), np.broadcast_to(visible, X.shape)])


def hide_blocks(X, rng):
    """Return what is visible of digits of which a block of 4 x 4 to 4 x 8 pixels is hidden."""
    edges = rng.permuted(np.column_stack([np.full(len(X), 4), rng.integers(4, 9, len(X))]), axis=1)
    start = rng.integers(0, 9 - edges)[:, :, None]
    place = np.arange(8)
    inside = (place >= start) & (place < start + edges[:, :, None])  # (n, 2, 8)
    return ~(inside[:, 0, :, None] & inside[:, 1, None, :]).reshape(len(X), -1)


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


shown = slice(0, 12)
drawn = completions["learned"][shown]
rows = [
    X_test[shown],
    np.where(upper, X_test[shown], 0),
    drawn.mean(axis=1),
    *drawn[:, :5].swapaxes(0, 1),
]
names = ["original", "visible", "mean", *(f"completion {i}" for i in range(1, 6))]
ReconstructionDisplay(np.reshape(rows, (8, 12, 8, 8)), names).plot()
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
