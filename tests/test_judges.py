"""Judges of drawn rows, in `tests/benchmarks`: known answers, whatever the order of the rows."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

N = 300  # rows of each sample
# Of an accuracy over 2 N rows where classes cannot be told apart. Rows of one fold train the
# classifier of another, and neighbours come in pairs: the errors are correlated, which at most
# doubles the variance.
ERROR = 2**0.5 * 0.5 / (2 * N) ** 0.5


@pytest.fixture
def judges(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "benchmarks")
    return importlib.import_module("judges")


def forest(judges, held_out, drawn):
    return judges.told_apart(RandomForestClassifier(20, random_state=0), held_out, drawn, 3)


def judge_of(judges, held_out):
    """Return a `Judge` whose unseen rows are `held_out`."""
    judge = judges.Judge(np.arange(8.0)[:, None], np.tile([0, 1], 4), 4)
    judge.unseen = held_out
    return judge


JUDGES = {
    "forest": forest,
    "boosted trees": lambda judges, A, B: judge_of(judges, A).told(B),
    "nearest neighbour": lambda judges, A, B: judge_of(judges, A).apart(B),
}
ORDERS = {
    "component by component": lambda kind, rng: np.argsort(kind, kind="stable"),
    "the last component first": lambda kind, rng: np.argsort(-kind, kind="stable"),
    "shuffled": lambda kind, rng: rng.permutation(N),
}


def draw(rng):
    """Return rows of a mixture of three Gaussians that do not overlap, and their components."""
    kind = rng.integers(3, size=N)
    return 6 * np.array([[0, 0], [1, 0], [0, 1]])[kind] + rng.normal(size=(N, 2)), kind


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", JUDGES)
def test_two_samples_of_one_distribution_are_not_told_apart(judges, name, order):
    rng = np.random.default_rng(0)
    (held_out, _), (drawn, kind) = draw(rng), draw(rng)
    found = JUDGES[name](judges, held_out, drawn[ORDERS[order](kind, rng)])
    assert abs(found - 0.5) < 4 * ERROR


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", JUDGES)
def test_two_samples_without_overlap_are_told_apart(judges, name, order):
    rng = np.random.default_rng(1)
    (held_out, _), (drawn, kind) = draw(rng), draw(rng)
    found = JUDGES[name](judges, held_out, 20 + drawn[ORDERS[order](kind, rng)])
    assert found > 0.99


def test_samples_of_different_sizes_are_refused(judges):
    with pytest.raises(ValueError, match="must be as many. Got 300 and 299"):
        forest(judges, np.zeros((300, 2)), np.zeros((299, 2)))
