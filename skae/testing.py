"""Laws that every autoencoder keeps, as checks to run on a variant of your own.

`check_autoencoder` runs them all. `autoencoder_checks_generator` yields them one by one, for a
test of each law, as `sklearn.utils.estimator_checks.estimator_checks_generator` does with
scikit-learn's. They need no test framework: a law that does not hold is an ``AssertionError`` that
names the law, what was expected and what came.

The checks fit clones of the estimator, for a few epochs, to 120 random rows of four features
between 0 and 1, which every likelihood and activation can reach. They pass X alone: an estimator
that cannot do without more, a condition say, is not for them.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from . import exceptions
from ._laws import (
    check_arrays_of_every_kind,
    check_bad_data,
    check_bad_weights,
    check_batches_of_every_size,
    check_default_dtype,
    check_few_and_constant_rows,
    check_forget_rows,
    check_history,
    check_holes,
    check_interpolation,
    check_likelihood_is_in_units_of_X,
    check_methods_agree,
    check_noise_of_terms,
    check_one_row,
    check_other_seed_other_codes,
    check_partial_fit,
    check_pickle_and_clone,
    check_refused_refit,
    check_rows_are_independent,
    check_same_seed_same_codes,
    check_samples_follow_random_state,
    check_samples_look_like_the_data,
    check_scikit_learn_contract,
    check_score_is_the_explained_variance,
    check_score_is_the_mean_log_likelihood,
    check_shapes_and_dtypes,
    check_sparse_equals_dense,
    check_surroundings,
    check_threads,
    check_units_cancel,
    check_warm_start,
    check_wide_codes,
    check_wrong_columns,
    has_parameter,
    make_quick,
    takes_holes,
)
from .nn.variational import VAEModule

__all__ = ["autoencoder_checks_generator", "check_autoencoder"]

Check = Callable[[Any], None]


def check_autoencoder(estimator: Any) -> None:
    """Check that an estimator keeps the laws of autoencoders, and scikit-learn's contract.

    Warnings of skae are not shown meanwhile: the fits are too short for them to mean much.

    Parameters
    ----------
    estimator : object
        An instance, fitted or not; it is cloned. Fits take four epochs at most, and 0 stands in
        for ``random_state=None``.

    Raises
    ------
    AssertionError
        If a law does not hold; the message names it.
    TypeError
        If a class is given.

    See Also
    --------
    autoencoder_checks_generator : The same checks, one by one.
    sklearn.utils.estimator_checks.check_estimator : Scikit-learn's checks, which are among them.

    Examples
    --------
    >>> from skae import Autoencoder
    >>> from skae.testing import check_autoencoder
    >>> class Squashed(Autoencoder):
    ...     def transform(self, X):
    ...         return super().transform(X).clip(-1, 1)
    >>> check_autoencoder(Squashed())
    Traceback (most recent call last):
    ...
    AssertionError: Squashed breaks the law of check_methods_agree. ...
    """
    with warnings.catch_warnings():
        for name in exceptions.__all__:
            warnings.simplefilter("ignore", getattr(exceptions, name))
        for subject, check in autoencoder_checks_generator(estimator):
            check(subject)


def autoencoder_checks_generator(estimator: Any) -> Iterator[tuple[Any, Check]]:
    """Yield the laws that hold for an estimator, as pairs of the estimator and a check.

    Parameters
    ----------
    estimator : object
        An instance, fitted or not.

    Yields
    ------
    estimator : object
        The estimator given.

    check : callable
        To be called with the estimator; it returns nothing, or raises an ``AssertionError``. Its
        ``__name__`` is that of the law, its docstring says it in words.

    Raises
    ------
    TypeError
        If a class is given.

    See Also
    --------
    check_autoencoder : Run them all.

    Examples
    --------
    With pytest, a test for each law:

    >>> import pytest
    >>> from skae import Autoencoder
    >>> from skae.testing import autoencoder_checks_generator
    >>> @pytest.mark.parametrize(
    ...     ("estimator", "check"), list(autoencoder_checks_generator(Autoencoder(2)))
    ... )
    ... def test_my_autoencoder(estimator, check):
    ...     check(estimator)

    The laws by name:

    >>> names = [check.__name__ for _, check in autoencoder_checks_generator(Autoencoder(2))]
    >>> names[:2]
    ['check_shapes_and_dtypes', 'check_same_seed_same_codes']
    """
    if isinstance(estimator, type):
        raise TypeError(
            f"Checks are for instances. Got the class {estimator.__name__}: pass "
            f"{estimator.__name__}() instead."
        )
    for check in _yield_checks(estimator):
        yield estimator, _to_law(check)


def _yield_checks(estimator: Any) -> Iterator[Check]:
    yield check_shapes_and_dtypes
    yield check_same_seed_same_codes  # what the others compare are two fits
    yield check_methods_agree
    yield check_rows_are_independent
    yield check_interpolation
    yield check_units_cancel
    if _is_density(estimator):
        yield check_score_is_the_mean_log_likelihood
        yield check_likelihood_is_in_units_of_X
    else:
        yield check_score_is_the_explained_variance
    yield check_samples_look_like_the_data
    yield check_samples_follow_random_state
    yield from _yield_checks_of_fits(estimator)
    yield from _yield_checks_of_data(estimator)
    yield check_pickle_and_clone
    if hasattr(estimator, "forget_rows"):
        yield check_forget_rows
    yield check_scikit_learn_contract


def _yield_checks_of_fits(estimator: Any) -> Iterator[Check]:
    if _is_trained_by_gradients(estimator):
        yield check_other_seed_other_codes
        yield check_history
        if has_parameter(estimator, "warm_start") and _has_named_optimizer(estimator):
            yield check_warm_start
        if _is_variational(estimator):
            yield check_noise_of_terms
    yield check_threads
    yield check_surroundings
    if not _brings_code(estimator):
        yield check_default_dtype
    if hasattr(estimator, "partial_fit"):
        yield check_partial_fit
        if _is_trained_by_gradients(estimator):
            yield check_one_row


def _yield_checks_of_data(estimator: Any) -> Iterator[Check]:
    yield check_arrays_of_every_kind
    yield check_few_and_constant_rows
    yield check_sparse_equals_dense
    if has_parameter(estimator, "batch_size") and _has_named_optimizer(estimator):
        yield check_batches_of_every_size
    if has_parameter(estimator, "n_components") and not _brings_a_network(estimator):
        yield check_wide_codes
    yield check_bad_data
    if takes_holes(estimator):
        yield check_holes
    yield check_bad_weights
    yield check_wrong_columns
    yield check_refused_refit


def _to_law(check: Check) -> Check:
    """Return a check that starts from a quick clone, and names itself where it fails."""

    @functools.wraps(check)
    def law(estimator: Any) -> None:
        try:
            with threadpool_limits(1):  # threads cost more than they give, for few rows
                check(make_quick(estimator))
        except Exception as error:
            said = error if isinstance(error, AssertionError) else f"Got {error!r}."
            raise AssertionError(
                f"{type(estimator).__name__} breaks the law of {check.__name__}. "
                f"{(check.__doc__ or '').splitlines()[0]}\n{said}"
            ) from error

    return law


# What is known of an estimator before it is fitted


def _is_density(estimator: Any) -> bool:
    """Whether its score is a log-likelihood: samples then have noise, which can be left out."""
    return "observation_noise" in inspect.signature(estimator.sample).parameters


def _is_trained_by_gradients(estimator: Any) -> bool:
    """Whether it has networks, epochs and a history."""
    return hasattr(type(estimator), "module_")


def _is_variational(estimator: Any) -> bool:
    """Whether its module has a q(z | x) to draw from, and terms that are given the draws."""
    return issubclass(getattr(type(estimator), "_module_class", object), VAEModule)


def _has_named_optimizer(estimator: Any) -> bool:
    """Whether no optimizer of the user's is to be trusted with small batches, or to go on."""
    return not callable(estimator.get_params(deep=False).get("optimizer"))


def _brings_code(estimator: Any) -> bool:
    """Whether some parameter is a function or a network, which may do what it likes."""
    return any(callable(value) for value in estimator.get_params(deep=False).values())


def _brings_a_network(estimator: Any) -> bool:
    """Whether some parameter is a network, whose sizes are fixed."""
    params = estimator.get_params(deep=False)
    return any(isinstance(value, torch.nn.Module) for value in params.values())
