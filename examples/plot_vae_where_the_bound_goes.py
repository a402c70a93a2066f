"""
Where the bound of a VAE goes
=============================

A :class:`~skae.VAE` maximises the likelihood of rows given their codes, minus the KL, what codes
cost. `elbo_decomposition` splits the cost further: what codes say about rows, and how far all
codes together are from the prior.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import VAE

X, y = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=1 / 3, stratify=y, random_state=0)
models = {
    "Standard prior": VAE(2, random_state=0).fit(X_train),
    "VampPrior": VAE(2, prior="vamp", random_state=0).fit(X_train),
}

# %%
# What the codes cost, in nats: the KL. It is, on one hand, what they say about the digit (mutual
# information, at most the logarithm of the number of digits) and how far they are from the prior
# all together; on the other hand the length of a code under the prior, less the entropy of
# q(z | x) (negative here: the posteriors are narrow). A learned prior fits better and pays less.

terms = {name: model.elbo_decomposition(X_test) for name, model in models.items()}
for name, values in terms.items():
    print(name, {term: round(value, 2) for term, value in values.items()})

parts = [
    ("KL from the prior", [("kl", 1, "#0072B2")]),
    (
        "mutual information\n+ KL of the aggregate",
        [("mutual_information", 1, "#009E73"), ("marginal_kl", 1, "#E69F00")],
    ),
    (
        "cross-entropy\n- conditional entropy",
        [("cross_entropy", 1, "#56B4E9"), ("conditional_entropy", -1, "#CC79A7")],
    ),
]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 2.9), layout="constrained", sharex=True, sharey=True)
for ax, (name, values) in zip(axes, terms.items(), strict=True):
    for row, (_, bars) in enumerate(parts):
        left = 0.0
        for term, sign, color in bars:
            width = sign * values[term]
            ax.barh(row, width, left=left, color=color, edgecolor="white")
            inside = width > 0.7
            x = left + (width / 2 if inside else width + 0.06)
            style = {"color": "white" if inside else color, "ha": "center" if inside else "left"}
            ax.text(x, row, f"{width:.2f}", va="center", weight="bold", **style)
            left += width
    ax.axvline(np.log(len(X_test)), color="0.4", linestyle=":", linewidth=1)
    ax.text(np.log(len(X_test)), -0.55, "log n", color="0.4", ha="center", va="bottom")
    ax.set(title=name, xlabel="nats per digit", xlim=(0, 7), ylim=(2.5, -0.55))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_yticks(range(len(parts)), [label for label, _ in parts])
plt.show()
