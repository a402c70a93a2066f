"""Attributes that users of PCA look for and some fits do not set: errors say what there is."""

from sklearn.utils.validation import check_is_fitted


class Absent:
    """A class attribute that is an error until a fit sets one of the same name.

    Parameters
    ----------
    explain : callable
        Called with the fitted estimator and the name, returns the message.
    """

    def __init__(self, explain):
        self.explain = explain

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, estimator, owner):
        if estimator is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self.name!r}")
        check_is_fitted(estimator)
        raise AttributeError(self.explain(estimator, self.name))


def explain_shares(estimator, name):
    """Return why the components of a code have no share of the variance each."""
    together = (
        "skae.metrics.explained_variance(estimator, X) is the share that all components explain "
        "together."
    )
    if "ordered" in estimator.get_params(deep=False):
        return (
            f"{name} needs a fit with ordered=True: without it the components of the code have no "
            f"order. {together}"
        )
    return (
        f"{type(estimator).__name__} has no {name}: the components of its code have no order. "
        f"{together} Autoencoder, DenoisingAutoencoder and VAE order them with ordered=True."
    )


def explain_components(estimator, name):
    """Return why there is no matrix of components."""
    return (
        f"{type(estimator).__name__} has no {name}: its decoder is not a matrix. "
        "SparseAutoencoder has them, the atoms of its dictionary. loadings_ of Autoencoder, "
        "DenoisingAutoencoder and VAE say how each component of the code changes with each "
        "feature."
    )
