"""
Convolutions for images
=======================

A perceptron does not know which pixels of an image are neighbours; convolutional networks do.
:class:`~skae.networks.Conv` makes them, in place of ``encoder``, and X stays a table with a row
for each image.
"""

# %%
# Digits with 64 pixels and a code of eight numbers, by PCA, a perceptron and convolutions.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.display import ReconstructionDisplay
from skae.metrics import explained_variance
from skae.networks import Conv

digits, _ = load_digits(return_X_y=True)
train, test = train_test_split(digits, train_size=1000, random_state=0)
models = {
    "PCA": PCA(8),
    "perceptron": Autoencoder(8, random_state=0),
    "convolutions": Autoencoder(8, encoder=Conv((8, 8)), max_iter=40, random_state=0),
}
for name, model in models.items():
    print(f"{name:<13}{explained_variance(model.fit(train), test):.3f} of unseen digits")

ReconstructionDisplay.from_estimator(models, test[:12])

# %%
# Colour patches of scikit-learn's two photographs, 16 x 16 pixels of three colours, as bytes: they
# stay so until a batch is made of them. Photographs this close are nearly linear: what a network
# could add does not hold for unseen patches, which a trial finds, and it stays near PCA.

SIZE = 16
rng, photos = np.random.default_rng(0), load_sample_images().images


def cut(photo):
    """Return a patch from anywhere in a photograph."""
    row, column = (rng.integers(n - SIZE + 1) for n in photo.shape[:2])
    return photo[row : row + SIZE, column : column + SIZE]


patches = np.array([cut(photos[i % 2]) for i in range(1100)]).reshape(1100, -1)
shape = (SIZE, SIZE, 3)
models = {
    "PCA": PCA(20),
    "convolutions": Autoencoder(
        20, encoder=Conv(shape, channels=(8, 16)), max_iter=20, random_state=0
    ),
}
for name, model in models.items():
    model.fit(patches[:1000])
    print(f"{name:<13}{explained_variance(model, patches[1000:]):.3f} of unseen patches")

ReconstructionDisplay.from_estimator(models, patches[1000:1012], image_shape=shape)

# %%
# New patches, decoded from new codes.

samples = models["convolutions"].sample(24, random_state=0).clip(0, 255).astype(np.uint8)
fig, axes = plt.subplots(2, 12, figsize=(9, 1.7))
for ax, sample in zip(axes.ravel(), samples, strict=True):
    ax.imshow(sample.reshape(shape))
    ax.axis("off")

plt.show()
