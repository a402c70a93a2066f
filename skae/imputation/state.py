"""The state of a fitted imputer as arrays, strings and numbers, for files of every kind."""

import numpy as np
from sklearn.impute import MissingIndicator

from .answers import Member
from .densities import Density
from .mixtures import Mixture
from .units import Columns


def to_plain(state):
    """Return a state without classes of ours, but for the estimator in place of the mixture."""
    plain = dict(state)
    if "_members" not in state:
        return plain
    plain["_members"] = [_member_to_plain(member) for member in state["_members"]]
    plain["_columns"] = state["_columns"]._asdict()
    plain["random_state_"] = state["random_state_"].get_state()
    if state["indicator_"] is not None:
        plain["indicator_"] = state["indicator_"].features_
    return plain


def from_plain(state):
    """Return the state that `to_plain` has taken apart."""
    full = dict(state)
    if "_members" not in state:
        return full
    full["_members"] = [_to_member(part, state["estimator_"]) for part in state["_members"]]
    full["_columns"] = Columns(**state["_columns"])
    full["random_state_"] = np.random.RandomState()
    full["random_state_"].set_state(tuple(state["random_state_"]))
    if state["indicator_"] is not None:
        n, missing = state["n_features_in_"], state["missing_values"]
        full["indicator_"] = make_indicator(state["indicator_"], n, missing)
    return full


def _member_to_plain(member):
    if isinstance(member.mixture, Density):
        return {"share": member.share}
    return {"share": member.share, **member.mixture._asdict()}


def _to_member(part, estimator):
    part = dict(part)
    share = part.pop("share")
    return Member(share, Mixture(**part) if part else Density(estimator))


def make_indicator(features, n_features, missing_values):
    """Return an indicator that has seen missing values in these features."""
    row = np.full((1, n_features), 0.0 if missing_values != 0 else 1.0)
    row[:, features] = missing_values
    return MissingIndicator(missing_values=missing_values, error_on_new=False).fit(row)
