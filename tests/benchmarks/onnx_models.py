"""How large models in ONNX are, how long it takes to write them, and how far they are from skae's.

    python tests/benchmarks/onnx_models.py

Digits, networks of the default size, a few epochs. For each estimator with networks: bytes and
seconds of the encoder by itself in single precision, the largest error relative to the largest
code; then of three pipelines with a classifier the seconds of `to_onnx`, how many of 1797 labels
differ, and the largest error of a probability. Last, an encoder that goes through torch's
exporter.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from estimators import DEFAULTS, SmallEncoder, has_engine

import skae.onnx

X, y = load_digits(return_X_y=True)
X = X.astype("float32")
PIPELINES = {
    "scaler": lambda e: make_pipeline(StandardScaler(), e),
    "columns": lambda e: ColumnTransformer(
        [("e", e, list(range(48))), ("s", StandardScaler(), list(range(48, 64)))]
    ),
    "union": lambda e: FeatureUnion([("e", e), ("pca", PCA(4))]),
}


def timed(function):
    """Return what a function returns, and the seconds it takes."""
    start = time.perf_counter()
    out = function()
    return out, time.perf_counter() - start


def run(model, rows):
    """Return the outputs of a model."""
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": rows})


def show_encoder(name, estimator):
    """Print size, seconds and error of an encoder."""
    model = clone(estimator).fit(X)
    graph, seconds = timed(lambda: skae.onnx.encoder(model))
    Z = model.transform(X)
    error = np.abs(run(graph, X)[0] - Z).max() / np.abs(Z).max()
    print(f"{name:24}{len(graph.SerializeToString()):9} bytes {seconds:7.3f} s   {error:.0e}")


def show_pipeline(name, estimator):
    """Print seconds, wrong labels and error of pipelines."""
    for kind, make in PIPELINES.items():
        step = make_pipeline(make(clone(estimator)), LogisticRegression(max_iter=200)).fit(X, y)
        written, seconds = timed(lambda s=step: to_onnx(s, X[:1], options={"zipmap": False}))
        labels, odds = run(written, X)
        wrong = int((labels != step.predict(X)).sum())
        error = np.abs(odds - step.predict_proba(X)).max()
        print(f"{name:24}{kind:10}{seconds:7.3f} s   {wrong} labels differ   {error:.0e}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    trained = {name: e for name, e in DEFAULTS.items() if has_engine(e)}
    for name, estimator in trained.items():
        show_encoder(name, estimator)
    for name, estimator in trained.items():
        show_pipeline(name, estimator)
    show_encoder("a network of one's own", skae.Autoencoder(encoder=SmallEncoder, max_iter=2))
