"""
Does an autoencoder do better than PCA here?
============================================

One line asks: :func:`skae.compare` fits all of them to the same folds, measures what their codes
keep of rows that they have not seen, and says how much of a difference is chance. Here PCA, an
autoencoder that starts from PCA's solution, and one that starts at random, as in textbooks.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import Autoencoder, compare
from skae.display import CompareDisplay

X, y = load_digits(return_X_y=True)
models = {
    "PCA": PCA(),
    "Autoencoder": Autoencoder(max_iter=25),
    "textbook": Autoencoder(linear_path=False, max_iter=25),
}
table = compare(models, X, y, n_components=[2, 4, 8, 16], cv=3, random_state=0)

# %%
# What each has more than PCA with a code of the same size, and the standard error of that. Less
# than twice the error is no win.

for metric in ("explained_variance", "trustworthiness", "accuracy_linear", "accuracy_neighbors"):
    print(f"\n{metric}")
    columns = ("method", "code_size", f"{metric}_difference", f"{metric}_difference_se")
    for method, size, more, error in zip(*(table[name] for name in columns), strict=True):
        if method != "PCA":
            words = "" if abs(more) > 2 * error else "   no telling"
            print(f"{method:<12}{size:>3g}  {more:+.3f} ± {error:.3f}{words}")

# %%
# Two numbers of a curved code keep as much as five of PCA's. The wider the code, the less is left
# to gain: with 16 numbers only the start at PCA's solution keeps more than PCA, and neither is of
# more use to a classifier. The price is seconds.

fig, axes = plt.subplots(2, 2, figsize=(9.6, 7.2), layout="constrained", sharex=True)
panels = {
    "explained_variance": "What the code keeps",
    "trustworthiness": "Are its neighbours neighbours?",
    "accuracy_neighbors_difference": "Which digit is it? Gain over PCA",
    "fit_time": "What it costs",
}
for ax, (metric, title) in zip(axes.flat, panels.items(), strict=True):
    CompareDisplay.from_comparison(table, metric=metric, ax=ax)
    ax.set_title(title)
    ax.get_legend().remove()
    ax.spines[["top", "right"]].set_visible(False)
for ax in axes[0]:
    ax.set_xlabel("")
axes[1, 1].set_yscale("log")
axes[0, 0].legend(frameon=False)
plt.show()
