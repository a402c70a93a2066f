"""
When is the training done?
==========================

The loss of the training rows nearly always flattens, as the learning rate falls to zero. The loss
of rows that were set aside says more: where it rises again, the network has begun to learn the
training rows by heart.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.display import LossCurveDisplay

X, _ = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, random_state=0)
X_few = X_train[:200]

# %%
# 1347 digits, and 200 of them. `early_stopping` sets a tenth of the rows aside and keeps the
# weights of the best epoch; `alpha=0` leaves out the weight decay, which keeps a network from
# learning rows by heart. With 200 digits no epoch is better than the start, which is PCA's
# solution: it is kept, and a warning says so.

settings = {"early_stopping": True, "alpha": 0.0, "max_iter": 60, "random_state": 0}
models = {
    "1347 digits": Autoencoder(16, **settings).fit(X_train),
    "200 digits": Autoencoder(16, **settings).fit(X_few),
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    LossCurveDisplay.from_estimator(model, ax=ax)
    ax.set_title(f"{name}: {model.score(X_test):.2f} of the variance")

# %%
# What is the cure for few rows? The default, ``alpha="auto"``, tries on half of the rows how much
# decay the others want.

for alpha in (0.0, "auto"):
    model = Autoencoder(16, alpha=alpha, random_state=0).fit(X_few)
    print(f"alpha={alpha!r}: {model.score(X_test):.3f} of the variance of other digits")
plt.show()
