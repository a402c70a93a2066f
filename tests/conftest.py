"""Set before numpy and torch are imported, by every process of the tests; and which are slow."""

import os
import zlib
from unittest import mock

# Processes that run side by side, with as many threads each as there are cores, wait for each
# other: the clusters of a Gaussian mixture take fifty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

ONE_VARIANT_IN, ONE_IN = 16, 8
# Files and tests of which one in eight is enough, whatever its parameters: each takes long, and
# they ask the same of all.
THINNED = {
    "test_budget",
    "test_hostile",
    "test_metamorphic",
    "test_ordered",
    "test_subclasses",
    "test_tensors_are_arrays",
    "test_without_a_part_steps_are_ordinary_ones",
    "test_data_of_every_size",
    "test_memmaps",
    "test_degenerate_data",
    "test_data_of_every_scale_are_all_the_same",
    "test_no_text_is_cut_off",
    "test_samples_of_few_rows_are_finite_and_silent",
    "test_a_stream_that_leaves_its_units_is_told_once",
    "test_a_tiny_ridge_in_single_precision",
    "test_never_worse_than_pca_on_the_training_data",
    "test_what_steers_training_takes_effect",
    "test_callbacks_that_watch_rows_which_are_not_there",
}


SLOW = {
    "test_in_one_call",  # of a page's own
    "test_the_code_of_a_page_runs[howto/many_machines.md]",  # starts processes
    "test_noise_of_few_rows_is_not_that_of_the_fit_alone[60-200-20]",  # a smaller table is left
}


def pytest_addoption(parser):
    words = 'what device="auto" is for tests without a mark of their own'
    parser.addoption("--device", choices=["cpu", "cuda"], default="cpu", help=words)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let `device="auto"` be the CPU, which is faster here, unless CUDA is asked for.

    So a machine with a GPU tests what any other does, and beside it what has the mark `gpu`.
    """
    marks = {mark.name for mark in item.iter_markers()}
    asks = item.config.getoption("device") == "cuda" and "cpu" not in marks
    if asks or "gpu" in marks:
        return (yield)
    with mock.patch.object(torch.cuda, "is_available", return_value=False):
        return (yield)


def pytest_collection_modifyitems(items):
    """Leave most laws of most variants to ``pytest -m slow``; the estimators themselves keep all.

    Each law is tried on one variant in sixteen, and each variant in one law of sixteen, the same
    ones every time.
    """
    from estimators import VARIANTS

    variants = {id(estimator) for estimator in VARIANTS.values()}
    without = pytest.mark.skipif(not torch.cuda.device_count(), reason="needs a CUDA device")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(without)
        if item.name in SLOW:
            item.add_marker(pytest.mark.slow)
        given = getattr(item, "callspec", None)
        if given is None:
            continue
        of_variant = not variants.isdisjoint(map(id, given.params.values()))
        names = (item.module.__name__, item.originalname)
        n = ONE_VARIANT_IN if of_variant else 1 if THINNED.isdisjoint(names) else ONE_IN
        if zlib.crc32(item.name.encode()) % n:
            item.add_marker(pytest.mark.slow)
