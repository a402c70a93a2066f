"""Set before numpy and torch are imported, by every process of the tests; and which are slow."""

import itertools
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
    "test_torch_s_settings_outside_change_nothing",
    "test_a_start_that_is_not_pca_is_no_better_than_it_is",
    "test_early_stopping_watches_the_penalty_too",
    "test_both_decompositions_of_the_kl_hold",
    "test_every_method_takes_the_condition",
    "test_every_block_of_the_batch_solver_ascends",
    "test_few_units_are_dead",
    "test_copies_in_two_precisions_train_to_the_same_model",
    "test_the_trial_leaves_no_trace_but_its_result",
    "test_pipelines_with_a_classifier",
    "test_static_steps_are_eager_steps",
    "test_both_paths_are_equal",
    "test_a_network_that_changes_its_input_does_not_change_the_data",
    "test_a_class_may_say_that_it_draws_globally",
    "test_training_goes_on_afterwards",
}


SLOW = {
    "test_in_one_call",  # of a page's own
    "test_the_code_of_a_page_runs[howto/many_machines.md]",  # starts processes
    "test_noise_of_few_rows_is_not_that_of_the_fit_alone[60-200-20]",  # a smaller table is left
    "test_grid_search_over_the_size_of_the_code[True-2]",  # starts processes
    "test_one_call_is_silent_where_all_laws_hold[estimator0]",  # another is left
    "test_a_variant_of_the_vae_keeps_the_laws",  # others that extend are left
    "test_a_rotated_posterior_needs_a_full_covariance",
    "test_without_a_part_steps_are_ordinary_ones",
    "test_parts_with_a_substitute_are_not_missed",  # a process that fits without each part
}


def pytest_addoption(parser):
    words = 'what device="auto" is for tests without a mark of their own'
    parser.addoption("--device", choices=["cpu", "cuda"], default="cpu", help=words)


def pytest_configure(config):
    if config.getoption("device") == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError("--device cuda: torch finds no CUDA device on this machine.")


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
    of_tests = itertools.groupby(items, lambda item: (item.module.__name__, item.originalname))
    for names, of_one in of_tests:
        of_one = list(of_one)
        for item in of_one:
            if item.get_closest_marker("gpu"):
                item.add_marker(without)
            if not SLOW.isdisjoint((item.name, item.originalname)):
                item.add_marker(pytest.mark.slow)
        for item in _later(of_one, variants, is_thinned=not THINNED.isdisjoint(names)):
            item.add_marker(pytest.mark.slow)


def _later(of_one, variants, is_thinned):
    """Return what is left to another time, of a test with all its parameters."""
    n_of = {}
    for item in of_one:
        given = getattr(item, "callspec", None)
        if given is not None:
            of_variant = not variants.isdisjoint(map(id, given.params.values()))
            n_of[item] = ONE_VARIANT_IN if of_variant else ONE_IN if is_thinned else 1
    later = [item for item, n in n_of.items() if zlib.crc32(item.name.encode()) % n]
    return later[1:] if is_thinned and len(later) == len(of_one) else later
