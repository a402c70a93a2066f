"""Names of columns: those of a table are compared with the names that `fit` has seen."""

from .._sklearn import get_feature_names
from ..exceptions import warn

N_SHOWN = 5  # names in a message


def names_of(table):
    """Return the names of the columns of a DataFrame as a list, None where they have none."""
    names = get_feature_names(table)
    return None if names is None else names.tolist()


def describe_names(table, names):
    """Return the names of the columns of a table, an entry for each, for ranks to compare."""
    return {f"name of column {j} of {table}": name for j, name in enumerate(names)}


def row_to_frame(row):
    """Return a pandas Series, one row of a DataFrame, as a DataFrame; all else as it is."""
    is_series = hasattr(row, "to_frame") and hasattr(row, "index")
    return row.to_frame().T if is_series else row


def check_names(found, known, name):
    """Refuse columns with other names, or in another order, than in `fit`.

    Where only one of the two has names there is a `UserWarning`, as of scikit-learn for X.

    Parameters
    ----------
    found, known : list of str or None
        Names of the columns of the table, and of those that `fit` has seen: as many.
    name : str
        Of the table, for messages.
    """
    if found == known:
        return
    if known is None:
        warn(f"{name} has feature names, but in fit it had none", UserWarning)
    elif found is None:
        warn(f"{name} does not have valid feature names, but in fit it had some", UserWarning)
    else:
        raise ValueError(
            f"The columns of {name} must be those that fit has seen, in the same order. "
            f"{_difference(found, known)} Select the columns by the names that fit has seen: "
            f"{_shown(known)}."
        )


def _difference(found, known):
    unknown = [name for name in found if name not in known]
    missing = [name for name in known if name not in found]
    if unknown or missing:
        return f"Got unknown columns, {_shown(unknown)}; missing are {_shown(missing)}."
    j = next(j for j in range(len(known)) if found[j] != known[j])
    return f"Got {found[j]!r} in place of {known[j]!r}."


def _shown(names):
    return f"{names}" if len(names) <= N_SHOWN else f"{names[:N_SHOWN]} and {len(names) - 5} more"
