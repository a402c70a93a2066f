"""Estimators inside of others: what a pipeline or a search does not show, and where it is."""

from sklearn.pipeline import Pipeline

from .._sklearn import BaseSearchCV


def check_has(estimator, method, advice=""):
    """Refuse an estimator without a method; of a pipeline name the step that lacks it."""
    if hasattr(estimator, method):
        return
    got = f"Got {type(estimator).__name__} instead"
    if isinstance(estimator, Pipeline):
        steps = {name: step for name, step in estimator.steps if step not in (None, "passthrough")}
        lacking = [name for name, step in steps.items() if not hasattr(step, method)]
        got += f", whose step {lacking[0]!r} has none" if lacking else ""
    raise TypeError(f"estimator must have {method}. {got}.{advice}")


def where_inside(estimator, is_meant):
    """Return a sentence that says what to pass in place of a pipeline or a search, if anything.

    Parameters
    ----------
    estimator : object
    is_meant : callable
        Whether a step of a pipeline would do.
    """
    if isinstance(estimator, BaseSearchCV):
        return " Pass its best_estimator_."
    if isinstance(estimator, Pipeline):
        names = [name for name, step in estimator.steps if is_meant(step)]
        if names:
            which = "its step" if len(names) == 1 else "one of its steps"
            return f" Pass {which}: {' or '.join(f'pipeline.named_steps[{n!r}]' for n in names)}."
    return ""
