"""MNIST for the benchmarks: from a file, or from OpenML."""

import numpy as np
from sklearn.datasets import fetch_openml


def load(path=None):
    """Return X_train, y_train, X_test, y_test; images (n, 784), float32 in [0, 1].

    Parameters
    ----------
    path : str or None
        An .npz file with x_train, y_train, x_test, y_test; None downloads.
    """
    if path is None:
        X, y = fetch_openml("mnist_784", as_frame=False, return_X_y=True)
        X, y = X.astype(np.float32) / 255, y.astype(int)
        return X[:60000], y[:60000], X[60000:], y[60000:]
    with np.load(path) as file:
        X_train, X_test = (
            file[name].reshape(-1, 784).astype(np.float32) / 255 for name in ("x_train", "x_test")
        )
        return X_train, file["y_train"], X_test, file["y_test"]


def summed_squared_error(model, X):
    """Return the squared error per image, summed over pixels."""
    X_hat = model.inverse_transform(model.transform(X))
    return np.square(X - X_hat, dtype=np.float64).sum(axis=1).mean()
