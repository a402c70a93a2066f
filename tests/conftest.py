"""Set before numpy and torch are imported, by every process of the tests; and which are slow."""

import os
import zlib

# Processes that run side by side, with as many threads each as there are cores, wait for each
# other: the clusters of a Gaussian mixture take fifty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ONE_IN = 3


def pytest_collection_modifyitems(items):
    """Leave most laws of most variants to ``pytest -m slow``; the estimators themselves keep all.

    Each law is tried on one variant in three, and each variant in one law of three, the same
    ones every time.
    """
    from estimators import VARIANTS

    variants = {id(estimator) for estimator in VARIANTS.values()}
    for item in items:
        given = getattr(item, "callspec", None)
        of_variant = given and not variants.isdisjoint(map(id, given.params.values()))
        if of_variant and zlib.crc32(item.name.encode()) % ONE_IN:
            item.add_marker(pytest.mark.slow)
