"""Any valid parameters, any data: finite numbers, or an error that says what is wrong.

``SKAE_HOSTILE_EXAMPLES=600`` draws so many cases for each estimator; the first are always the
same. ``tests/benchmarks/hostile.py`` counts what comes of them.
"""

import collections
import os

import pytest
from cases import HOSTILE_ESTIMATORS, cases, parameters_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from oracle import FINITE, check_and_simplify
from threadpoolctl import threadpool_limits

# Without hypothesis's shrinking: `check_and_simplify` does that sooner, and prints code.
HOSTILE = settings(
    max_examples=int(os.environ.get("SKAE_HOSTILE_EXAMPLES", "20")),
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", HOSTILE_ESTIMATORS)
def test_finite_numbers_or_a_clear_error(name):
    outcomes = collections.Counter()

    @seed(name)
    @HOSTILE
    @given(cases(name))
    def judge(case):
        outcomes[check_and_simplify(case)] += 1

    with threadpool_limits(1):  # threads of k-means cost more than they give, for few rows
        judge()
    assert outcomes[FINITE] > sum(outcomes.values()) / 3


@pytest.mark.parametrize("name", HOSTILE_ESTIMATORS)
def test_every_parameter_is_varied(name):
    """A parameter whose values cannot be read off its constraint has them in `cases.NAMED`."""
    alone = {
        p: values for p, values in parameters_of(name).items() if len(set(map(repr, values))) < 2
    }
    assert alone == {}
