"""
Noisy digits, restored
======================

A :class:`~skae.DenoisingAutoencoder` learns to give back clean digits from noisy ones. The best
linear map for that is the Wiener filter; the autoencoder starts there and goes on.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import FunctionTransformer

from skae import DenoisingAutoencoder
from skae.display import ReconstructionDisplay

X, _ = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=1 / 3, random_state=0)
noise = 0.3 * 16  # 30 % of the range of a pixel
noisy = X_test + noise * np.random.default_rng(0).normal(size=X_test.shape)

# %%
# The level is given in the units of X; by default it is relative to the scale of the data.

model = DenoisingAutoencoder(corruption_level=noise, corruption_units="data", random_state=0)
model.fit(X_train)

mean, covariance = X_train.mean(axis=0), np.cov(X_train.T)
gain = covariance @ np.linalg.inv(covariance + noise**2 * np.eye(64))
wiener = FunctionTransformer(lambda rows: mean + (rows - mean) @ gain.T)
restored = {
    "noisy": noisy,
    "Wiener filter": wiener.transform(noisy),
    "autoencoder": model.reconstruct(noisy),
}
for name, image in restored.items():
    print(f"{name:<14} squared error per digit {((image - X_test) ** 2).sum(axis=1).mean():7.1f}")

# %%
# Held-out digits, what the noise makes of them, and what is restored from that alone.

ReconstructionDisplay.from_estimator(
    {"Wiener filter": wiener, "autoencoder": model}, noisy[:12], X_clean=X_test[:12]
)
plt.show()
