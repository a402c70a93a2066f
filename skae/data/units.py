"""The units of the user and those of the networks, and what lies between them."""

import numpy as np
import torch

from .moments import root_mean_square
from .sparse_rows import pass_on
from .tables import share

# Numbers up to here, and down to its reciprocal, whose squares may be summed over a large table.
SQUARABLE = {"float32": 1e17, "float64": 1e140}
EXTREME = 1e30  # scales beyond it, or its reciprocal, are too near the ends of single precision


class Units:
    """The affine map between the user's units and the network's: (x - shift) / scale.

    Parameters
    ----------
    shift : ndarray of shape (n_features,) or None
        None: the two units are the same.
    scale : float or ndarray of shape (n_features,)
    """

    def __init__(self, shift=None, scale=1.0):
        self.is_identity = shift is None
        self.shift = share(np.asarray(0.0 if shift is None else shift, np.float64))
        self.scale = share(np.asarray(scale, np.float64))
        # Far from the origin, single precision would lose the data in its own offset.
        far = self.shift.abs() > 1024 * self.scale
        extreme = (self.scale > EXTREME) | (self.scale < 1 / EXTREME)
        self.is_far = bool(far.any() or extreme.any())
        self._cast = {}

    def _constants(self, x):
        key = (x.dtype, x.device)
        if key not in self._cast:
            self._cast[key] = (self.shift.to(x.device, x.dtype), self.scale.to(x.device, x.dtype))
        return self._cast[key]

    def enter(self, x, dtype):
        """Return the tensor x in the network's units and precision, in memory of its own.

        Networks of users may write into what they are given, and x may be the user's array.
        """
        if self.is_identity:
            return pass_on(x, x.to(dtype, copy=True), self.shift, self.scale)
        if self.is_far:
            x = x.double()
        shift, scale = self._constants(x)
        return pass_on(x, (x - shift).div_(scale).to(dtype), self.shift, self.scale)

    def leave(self, x):
        """Return the tensor x, in the network's units, in the user's."""
        if self.is_identity:
            return x
        if self.is_far:
            shift, scale = self._constants(x.double())
            return torch.addcmul(shift, x.double(), scale).to(x.dtype)
        shift, scale = self._constants(x)
        return torch.addcmul(shift, x, scale)


class JointUnits(Units):
    """Units of rows and conditions side by side on the way in, of rows alone on the way out.

    Parameters
    ----------
    rows : Units
        Of the first `n_features` columns.
    n_features : int
    conditions : Units
        Of the others.
    """

    def __init__(self, rows, n_features, conditions):
        self.rows = rows
        shift = np.broadcast_to(rows.shift, n_features), conditions.shift
        scale = np.broadcast_to(rows.scale, n_features), conditions.scale
        super().__init__(np.concatenate(shift), np.concatenate(scale))

    def leave(self, x):
        """Return the tensor x, in the network's units, in the user's."""
        return self.rows.leave(x)


def to_scale(moments, per_feature=False):
    """Return what centred data are divided by, a number or one for each column.

    It is 1 where nothing varies; but no noise of rounding is larger than 1 after it.
    """
    deviation, noise = moments.deviation, moments.noise
    if not per_feature:
        deviation, noise = root_mean_square(deviation), noise.max()
    scale = np.maximum(np.where(deviation > 0, deviation, 1.0), noise)
    return scale if per_feature else float(scale)


def middle_deviation(deviation):
    """Return the median standard deviation of the columns that vary; 0 where none does."""
    varying = deviation[deviation > 0]
    return float(np.median(varying)) if len(varying) else 0.0


def check_magnitude(moments, scale, dtype):
    """Refuse data whose squares are out of the range of the numbers they are summed in.

    Parameters
    ----------
    moments : Moments
        Of X.
    scale : float, ndarray of shape (n_features,) or None
        What the networks see X divided by; None: X as it is.
    dtype : {"float32", "float64"}
        Precision of the training.
    """
    spread = root_mean_square(moments.deviation)
    _check_square(spread, "X varies by about", "float64")
    if scale is None:
        _check_square(spread, "scaling is off, and X varies by about", dtype)
        _check_square(max(1.0, moments.largest.max()), "scaling is off, and X reaches", dtype)
        return
    reach = max(1.0, (moments.farthest / scale).max())
    _check_square(reach, "X has rows whose distance from the rest, divided by scale_, is", dtype)


def _check_square(size, what, dtype):
    """Refuse a number whose square, added up over a table, is out of range; 0 is fine."""
    limit = SQUARABLE[dtype]
    if size == 0 or 1 / limit <= size <= limit:
        return
    raise ValueError(
        f"{what} {size:.1e}; the square of that is too {'small' if size < 1 else 'large'} for "
        f"{dtype}. Rescale X first, so that it varies by about 1."
    )
