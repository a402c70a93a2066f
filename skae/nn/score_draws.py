r"""Standard normal draws that belong to a row: its own, and the same wherever the row stands.

An average over rows averages the noise of the draws away only where they differ from row to row;
a score that does not depend on the company of a row needs draws that follow from the row. Both
hold for n points, spread evenly over the unit cube and common to all rows, of which each row x
has a copy of its own, shifted at random by its hash h(x) digit by digit [1]_ [2]_:

.. math:: u_{kj}(x) = p_{kj} \oplus h_j(x), \quad e_{kj}(x) = \Phi^{-1}(u_{kj}(x))

The points are a scrambled Sobol sequence, so that the first of many draws are the draws of few.
Every :math:`u_k` is uniform in the cube, whatever the points: with one draw an average over
q(z | x) is estimated without bias. Adding binary digits without carry keeps the points as evenly
spread as they were, which adding modulo one [3]_ does not quite. Equal rows have equal draws.

What is hashed are the bits of the row in single precision, so that data have the same draws in
either precision; divided by a power of two near the scale, which changes no digit, so that the
unit of the data is of no account, and less the mean where single precision would lose the data in
their own offset. The rest is computed in integers, modulo 2^64, and so has the same bits on every
device and in every batch: a linear hash of these bits, whose random factors follow from the
seed [4]_, is where a SplitMix64 generator [5]_ starts that yields :math:`h_1, h_2, \ldots`

References
----------
.. [1] A. B. Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences", Monte Carlo and
   quasi-Monte Carlo methods in scientific computing, 1995.
.. [2] P. L'Ecuyer, C. Lemieux, "Recent advances in randomized quasi-Monte Carlo methods", in
   Modeling uncertainty, 2002.
.. [3] R. Cranley, T. N. L. Patterson, "Randomization of number theoretic methods for multiple
   integration", SIAM Journal on Numerical Analysis 13, 1976.
.. [4] M. Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer
   arithmetic without primes", STACS 1996.
.. [5] G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA
   2014.
"""

import torch

BITS = 52  # of a uniform number; its middle is then a number in double precision too
SOBOL_BITS = 30
ANY_INTEGER = -(2**63), 2**63 - 1

# SplitMix64, in signed integers
GAMMA = 0x9E3779B97F4A7C15 - 2**64
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


class RowDraws:
    """Draws from N(0, I) for rows.

    Parameters
    ----------
    n_draws : int
        For each row.
    n_components : int
        Numbers in a draw.
    n_columns : int
        Numbers in a row.
    units : Units
        Between the user's units, in which the rows are given, and about one.
    generator : torch.Generator
        On the CPU.
    device : str or torch.device
        Where the rows lie.
    """

    def __init__(self, n_draws, n_components, n_columns, units, generator, device="cpu"):
        seed = int(torch.randint(2**62, (), generator=generator))
        sobol = torch.quasirandom.SobolEngine(n_components, scramble=True, seed=seed)
        points = sobol.draw(n_draws, dtype=torch.float64) * 2**SOBOL_BITS
        self.points = (points.long() << (BITS - SOBOL_BITS)).to(device)
        random = torch.randint(*ANY_INTEGER, (1 + n_columns,), generator=generator).to(device)
        self.start, self.factors = random[0], random[1:]
        self.steps = GAMMA * torch.arange(1, n_components + 1, device=device)
        self.shift = units.shift.to(device) if units.is_far else None
        self.unit = (units.scale / torch.frexp(units.scale).mantissa).to(device)  # a power of two

    def hash(self, x):
        """Return the random digits of rows (batch, n_columns): integers (batch, n_components)."""
        if self.shift is not None:
            x = x.double() - self.shift
        x = (x / self.unit.to(x)).float().add_(0.0)  # -0.0 + 0.0 is 0.0
        x = x.masked_fill_(x.isnan(), torch.nan)  # of which there are many
        sums = x.view(torch.int32).long().mul_(self.factors).sum(dim=-1)
        return _shift_right(mix(mix(sums + self.start)[:, None] + self.steps), 64 - BITS)

    def split(self, digits, size):
        """Yield all draws of the hashed rows, (at most size, batch, n_components), in float64."""
        for points in self.points.split(size):
            u = points[:, None] ^ digits
            yield torch.special.ndtri(u.double().add_(0.5).mul_(2.0**-BITS))


def mix(h):
    """Return the integers of a tensor, one to one, each bit a function of all bits."""
    h = (h ^ _shift_right(h, 30)) * FIRST
    h = (h ^ _shift_right(h, 27)) * SECOND
    return h ^ _shift_right(h, 31)


def _shift_right(h, n):
    """Return h without its last n of 64 bits, with zeros before the first."""
    return (h >> n) & (2 ** (64 - n) - 1)
