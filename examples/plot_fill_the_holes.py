"""
Fill the holes, with intervals
==============================

Missing values of an S-shaped curve and of measurements of tumours, filled by
:class:`~skae.Imputer`: by a Gaussian, and by a mixture of Gaussians.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, make_s_curve

from skae import Imputer

rng = np.random.default_rng(0)
X = make_s_curve(1200, noise=0.05, random_state=0)[0][:, [2, 0]]  # height, place
hidden = np.zeros(X.shape, dtype=bool)
hidden[:300, 1] = True
holes = np.where(hidden, np.nan, X)

gaussian = Imputer(1, random_state=0).fit(holes)
mixture = Imputer(20, random_state=0).fit(holes)

# %%
# Of a quarter of the rows the height alone is known. The Gaussian knows one line and one width for
# all heights; the mixture follows the curve. Where a height is met at several places the mean lies
# between them, where no row is, and the interval holds them all. Nearly all draws lie on the
# curve. (The number of components is given here: by itself the imputer asks how well means fill
# hidden cells, and the means of both are much alike.)

fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained")
order = np.argsort(X[:300, 0])
height = X[:300, 0][order]
for ax, fitted, name in ((axes[0], gaussian, "Gaussian"), (axes[1], mixture, "Mixture of 20")):
    low, high = (end[:300, 1][order] for end in fitted.intervals(holes, coverage=0.9))
    ax.fill_between(height, low, high, color="tab:blue", alpha=0.25, lw=0, label="90 % interval")
    ax.plot(height, fitted.transform(holes)[:300, 1][order], color="tab:blue", label="filled")
    ax.set_title(name)
drawn = mixture.impute(holes, 1, random_state=0)[0]
axes[2].scatter(*drawn[:300].T, s=8, color="tab:blue", label="drawn")
axes[2].set_title("One draw of each")
for ax in axes:
    ax.scatter(*X[:300].T, s=4, color="0.3", alpha=0.5, label="what was hidden", zorder=0)
    ax.set_xlabel("height, observed")
    ax.legend(loc="upper left", fontsize="small")
axes[0].set_ylabel("place, missing")
axes[0].set_ylim(-2, 2.4)

# %%
# Measurements of tumours, three in ten hidden at random: what was hidden, and what is filled in,
# with its interval. The imputer chooses by itself, on cells that it hides. About a tenth of the
# intervals, in red, should miss.

table = load_breast_cancer(as_frame=True).data.iloc[:, :10]
hidden = rng.random(table.shape) < 0.3
holes = table.mask(hidden)
imputer = Imputer(random_state=0).set_output(transform="pandas").fit(holes)
filled, (low, high) = imputer.transform(holes), imputer.intervals(holes, coverage=0.9)

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
names = ["mean texture", "mean smoothness", "mean concavity"]
for ax, name in zip(axes, names, strict=True):
    j = table.columns.get_loc(name)
    rows = hidden[:, j]
    true, guess = table[name][rows], filled[name][rows]
    inside = (low[rows, j] <= true) & (true <= high[rows, j])
    for which, color in ((inside, "tab:blue"), (~inside, "tab:red")):
        ends = [(guess - low[rows, j])[which], (high[rows, j] - guess)[which]]
        ax.errorbar(true[which], guess[which], ends, fmt=".", color=color, ms=4, lw=0.5)
    ax.axline((true.mean(), true.mean()), slope=1, color="0.5", lw=0.8)
    ax.set(title=f"{name}: {inside.mean():.0%} inside", xlabel="hidden", ylabel="filled")
plt.show()
