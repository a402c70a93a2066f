"""Fitted estimators in ONNX: alone, and as steps of pipelines that skl2onnx converts.

Importing this room registers a converter of every estimator with skl2onnx, so that ``to_onnx``
knows pipelines, column transformers and unions in which they stand. It needs
``pip install skae[onnx]``.
"""

from __future__ import annotations

import importlib
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

try:
    from onnx import ModelProto
    from skl2onnx import update_registered_converter
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from skl2onnx.helpers import add_onnx_graph
except ImportError as error:
    raise ImportError(
        "skae.onnx needs onnx and skl2onnx: pip install onnx skl2onnx, or skae[onnx]. To run what "
        "it writes, onnxruntime."
    ) from error

from . import _BESIDE, _HOMES
from ._onnx_graph import LEAST_OPSET, MOST_OPSET, Graph
from ._onnx_models import (
    check_is_known,
    write_codes,
    write_condition,
    write_reconstruction,
    write_rows,
)

__all__ = ["decoder", "encoder", "reconstruct", "register"]

OPSET = 20  # unless told otherwise: runtimes of 2023 know it


def encoder(estimator: Any, *, dtype: str = "float32", target_opset: int = OPSET) -> ModelProto:
    """Return the model that computes what `transform` does.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    dtype : {"float32", "float64"}, default="float32"
        Of ``X`` and of the codes, and the precision in which they are computed.
    target_opset : int, default=20
        Version of ONNX's operators: at least 13, at least 18 for networks of your own and at
        least 19 for a condition of text labels, and at most the newest that onnx knows.

    Returns
    -------
    model : onnx.ModelProto
        With the input ``X``, (n_samples, n_features), for any number of rows, and the output
        ``Z``, (n_samples, n_components). A `ConditionalVAE` that is given its condition beside X
        has the second input ``condition``: labels in one dimension, as integers, booleans or
        text, or numbers in two. A run fails for NaN, which stands for a missing value in `VAE`,
        for infinity, and for labels that `fit` has not seen.

    Raises
    ------
    ValueError
        For what ONNX cannot compute: the search for a code in `GLGAE`, methods of your own, and
        networks that torch's exporter refuses.
    ImportError
        For networks of your own without onnxscript, which torch's exporter needs.

    See Also
    --------
    decoder : The way back.

    Examples
    --------
    >>> import onnxruntime
    >>> import skae.onnx
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data.astype("float32")
    >>> ae = skae.Autoencoder(2, max_iter=5, random_state=0).fit(X)
    >>> model = skae.onnx.encoder(ae).SerializeToString()
    >>> session = onnxruntime.InferenceSession(model)
    >>> (Z,) = session.run(None, {"X": X})
    >>> bool(abs(Z - ae.transform(X)).max() < 1e-5)
    True
    """
    g, x, c = _begin(estimator, dtype, target_opset)
    return g.to_model(write_codes(g, estimator, x, c), "Z", estimator._n_features_out)


def decoder(estimator: Any, *, dtype: str = "float32", target_opset: int = OPSET) -> ModelProto:
    """Return the model that computes what `inverse_transform` does.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    dtype : {"float32", "float64"}, default="float32"
        Of the codes and of the rows, and the precision in which they are computed.
    target_opset : int, default=20
        As of `encoder`.

    Returns
    -------
    model : onnx.ModelProto
        With the input ``Z``, (n_samples, n_components), and the output ``X``, (n_samples,
        n_features). A `ConditionalVAE` has the second input ``condition``; the values of
        `condition_features`, where it was fitted with these.

    See Also
    --------
    encoder : The way to the code.

    Examples
    --------
    >>> import skae.onnx
    >>> from sklearn.datasets import load_iris
    >>> ae = skae.Autoencoder(2, max_iter=5, random_state=0).fit(load_iris().data)
    >>> model = skae.onnx.decoder(ae)
    >>> [entry.name for entry in model.graph.input]
    ['Z']
    """
    _check(estimator, dtype, target_opset)
    g = Graph(dtype, target_opset)
    z = g.input("Z", ["n_samples", estimator._n_features_out])
    c = write_condition(g, estimator, "condition")
    return g.to_model(write_rows(g, estimator, z, c), "X", estimator.n_features_in_)


def reconstruct(
    estimator: Any, *, dtype: str = "float32", target_opset: int = OPSET
) -> ModelProto:
    """Return the model that computes what the method `reconstruct` does.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    dtype : {"float32", "float64"}, default="float32"
        Of the rows, and the precision in which they are computed.
    target_opset : int, default=20
        As of `encoder`.

    Returns
    -------
    model : onnx.ModelProto
        With the input ``X`` and the output ``X_hat``, both (n_samples, n_features), and for a
        condition beside X the input ``condition``, as of `encoder`.

    See Also
    --------
    encoder : The code alone.

    Examples
    --------
    >>> import skae.onnx
    >>> from sklearn.datasets import load_iris
    >>> ae = skae.Autoencoder(2, max_iter=5, random_state=0).fit(load_iris().data)
    >>> model = skae.onnx.reconstruct(ae)
    >>> [entry.name for entry in model.graph.output]
    ['X_hat']
    """
    g, x, c = _begin(estimator, dtype, target_opset)
    return g.to_model(write_reconstruction(g, estimator, x, c), "X_hat", estimator.n_features_in_)


def _begin(estimator: Any, dtype: str, opset: int) -> tuple[Graph, str, str | None]:
    """Return a graph with the inputs of rows and, where it stands beside them, of a condition."""
    _check(estimator, dtype, opset)
    g = Graph(dtype, opset)
    x = g.input("X", ["n_samples", estimator.n_features_in_])
    in_X = getattr(estimator, "condition_features", None) is not None
    return g, x, None if in_X else write_condition(g, estimator, "condition")


def _check(estimator: Any, dtype: str, opset: int) -> None:
    check_is_fitted(estimator)
    check_is_known(estimator)
    if np.dtype(dtype).name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64'. Got {dtype!r} instead.")
    if not (isinstance(opset, Integral) and LEAST_OPSET <= opset <= MOST_OPSET):
        raise ValueError(
            f"target_opset must be an integer from {LEAST_OPSET} to {MOST_OPSET}, the newest that "
            f"the installed onnx knows. Got {opset!r} instead."
        )


# skl2onnx


def register(estimator: type) -> None:
    """Let skl2onnx convert estimators of a class of your own as it does those of skae.

    Parameters
    ----------
    estimator : class
        Derived from an estimator of skae.

    See Also
    --------
    encoder : Single graphs, without a pipeline.

    Examples
    --------
    >>> import skae.onnx
    >>> class MyAutoencoder(skae.Autoencoder):
    ...     pass
    >>> skae.onnx.register(MyAutoencoder)
    """
    update_registered_converter(
        estimator, f"Skae{estimator.__name__}", _declare_output, _convert, overwrite=True
    )


def _declare_output(operator: Any) -> None:
    """Say what `transform` returns: integers become numbers of double precision."""
    is_single = isinstance(operator.inputs[0].type, FloatTensorType)
    kind = FloatTensorType if is_single else DoubleTensorType
    operator.outputs[0].type = kind([None, operator.raw_operator._n_features_out])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator, x = operator.raw_operator, operator.inputs[0]
    is_single = isinstance(x.type, FloatTensorType)
    g, rows, c = _begin(estimator, "float32" if is_single else "float64", container.target_opset)
    if c is not None:
        raise ValueError(
            "The condition of this ConditionalVAE is given beside X, and a pipeline in ONNX has "
            "no place for it. Fit it with condition_features, columns of X; or take "
            "skae.onnx.encoder, where it is a second input."
        )
    codes = write_codes(g, estimator, g.cast(rows, g.dtype.name))  # they may be integers
    model = g.to_model(codes, "Z", estimator._n_features_out)
    add_onnx_graph(scope, operator, container, model)


def _refuse(operator: Any) -> None:
    """Say why there is no graph of an imputer, where skl2onnx first looks at one."""
    raise ValueError(
        "ONNX has no Imputer of skae: it solves equations of its own for each pattern of missing "
        "values. Convert the steps after it, and fill rows with Imputer.transform before; or fit "
        "the pipeline with an imputer that skl2onnx converts, such as SimpleImputer or KNNImputer "
        "of scikit-learn."
    )


for name in _HOMES:
    register(getattr(importlib.import_module(__package__), name))
for name in _BESIDE:
    imputer = getattr(importlib.import_module(__package__), name)
    update_registered_converter(imputer, f"Skae{name}", _refuse, _convert, overwrite=True)
