"""Draws that belong to rows: known integers, even spread, and the same wherever a row stands."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from skae.data.units import Units
from skae.nn.score_draws import BITS, GAMMA, RowDraws, mix


def make_draws(n_draws=16, n_components=3, n_columns=5, units=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return RowDraws(n_draws, n_components, n_columns, units or Units(), generator)


def normal(draws, x):
    """Return all draws of rows, (n_draws, batch, n_components)."""
    return next(draws.split(draws.hash(x), len(draws.points)))


def rows(n=1000, seed=0):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


def binary():
    """All rows of 13 zeros and ones, in which hardly a bit varies."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 13)


def test_the_generator_is_splitmix64():
    """The first outputs of the published reference code for the seed 1234567."""
    states = 1234567 + GAMMA * torch.arange(1, 6)
    assert mix(states).numpy().view(np.uint64).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_digits_of_a_row_are_its_own():
    """Alone, among others, in any order, precision and layout; whatever the sign of zero."""
    x = rows()
    x[:, 2] = 0
    draws, order = make_draws(), torch.randperm(1000, generator=torch.Generator().manual_seed(1))
    digits = draws.hash(x)
    signed = x.clone()
    signed[::2, 2] = -0.0
    for same in (x.double(), x.T.contiguous().T, signed, torch.cat([row[None] for row in x])):
        assert torch.equal(draws.hash(same), digits)
    assert torch.equal(draws.hash(x[order]), digits[order])
    assert torch.equal(torch.cat([draws.hash(row) for row in x.split(1)]), digits)
    assert not (make_draws(seed=1).hash(x) == digits).any()


def test_any_difference_between_rows_is_one_of_draws():
    x, draws = rows(), make_draws()
    for column in range(5):
        other = x.clone()
        other[:, column] = torch.nextafter(x[:, column], torch.tensor(9.0))
        assert not (draws.hash(other) == draws.hash(x)).any()
    assert not (draws.hash(x.flip(1)) == draws.hash(x)).any()


@pytest.mark.parametrize("power", [-200, -30, 10, 200])
def test_the_unit_is_of_no_account(power):
    x, scale = rows().double(), 2.0**power
    moved = make_draws(units=Units(np.zeros(5), 1.3 * scale))
    assert torch.equal(moved.hash(scale * x), make_draws(units=Units(np.zeros(5), 1.3)).hash(x))


def test_rows_far_from_the_origin_are_told_apart():
    far = rows().double() + 1e12
    draws = make_draws(units=Units(np.full(5, 1e12), 1.0))
    assert len(torch.unique(draws.hash(far), dim=0)) == 1000


@pytest.mark.parametrize("x", [rows(8192), binary()], ids=["normal", "binary"])
def test_draws_are_standard_normal_over_rows(x):
    """Each of them by itself, and uncorrelated between components and with other rows."""
    draws = make_draws(n_columns=x.shape[1])
    e = normal(draws, x)
    assert min(kstest(e[k, :, j], "norm").pvalue for k in (0, 1, 15) for j in range(3)) > 1e-3
    correlations = np.corrcoef(np.hstack([e[0].numpy(), e[0].roll(1, 0).numpy(), x[:, :2]]).T)
    assert np.abs(np.triu(correlations, 1)).max() < 4 / len(x) ** 0.5
    assert len(torch.unique(draws.hash(x), dim=0)) == len(x)


def test_draws_of_a_row_are_evenly_spread():
    """One of sixteen in each sixteenth of every component, as in the points common to all."""
    u = torch.special.ndtr(normal(make_draws(), rows()))
    sixteenths = (16 * u).long().sort(dim=0).values
    assert (sixteenths == torch.arange(16)[:, None, None]).all()


def test_more_draws_begin_with_the_fewer():
    x, many = rows(), make_draws(64)
    digits = many.hash(x)
    torch.testing.assert_close(normal(many, x)[:16], normal(make_draws(16), x), rtol=0, atol=0)
    parts = list(many.split(digits, 10))
    assert [len(part) for part in parts] == [10] * 6 + [4]
    assert torch.equal(torch.cat(parts), normal(many, x))


def test_the_ends_of_the_interval_are_finite():
    """Where a point and the digits of a row agree in every bit, or in none."""
    draws = make_draws(1)
    same, other = draws.points, draws.points ^ (2**BITS - 1)
    e = next(draws.split(torch.cat([same, other]), 1))[0]
    np.testing.assert_allclose(e[0], -8.2095, rtol=1e-4)  # the quantile of 2^-53
    np.testing.assert_allclose(e[1], -e[0])
