"""One fit on two processes: what one process does, to rounding; and nobody waits for ever.

What the processes do is in `on_ranks`.
"""

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import on_ranks
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from on_ranks import QUICK, REFUSED, SAME, STARTS, UNLIKE
from sklearn.datasets import load_digits

import skae
from skae import Autoencoder
from skae.distributed import shard
from skae.metrics import explained_variance
from skae.training.randomness import DRAWN, make_generators, part_ways

LIMIT = 240  # seconds after which a scenario has failed, and its processes are ended


def on_ranks_of(folder, *scenarios, seconds=60):
    """Return, for each scenario, what the first two processes have found, and all exit codes."""
    command = [sys.executable, on_ranks.__file__, str(folder), str(seconds), *scenarios]
    without_cuda = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # which forked processes cannot use
    process = subprocess.Popen(command, start_new_session=True, env=without_cuda)
    try:
        assert process.wait(LIMIT) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):  # they have ended, as they should
            os.killpg(process.pid, signal.SIGKILL)
            assert process.returncode is None, "a process was left behind"
    return [read(folder / scenario) for scenario in scenarios]


def read(folder):
    files = [folder / name for name in ("found0", "found1", "codes")]
    first, second, codes = (pickle.loads(file.read_bytes()) for file in files)
    return (first, second), codes


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return on_ranks_of(tmp_path_factory.mktemp("ranks"), "models", "failures", "unlike")


@pytest.fixture(scope="module")
def models(both):
    found, codes = both[0]
    assert codes == [0, 0]
    return found


@pytest.fixture(scope="module")
def failures(both):
    return both[1]


@pytest.fixture(scope="module")
def unlike(both):
    return both[2]


# One model


@pytest.mark.parametrize(
    "name", [*SAME, *STARTS, *QUICK, "CSR", "holes", "replayed", "again", "stream"]
)
def test_ranks_end_with_one_model_bit_for_bit(name, models):
    assert models[0][name]["file"] == models[1][name]["file"]
    assert models[0][name]["pickle"] == models[1][name]["pickle"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAME)
def test_without_noise_two_ranks_do_what_one_process_does(name, models, tmp_path):
    """Shards are not of one size, and rows have weights."""
    one, two = on_ranks.describe(on_ranks.fit(SAME[name]), tmp_path / "model"), models[0][name]
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    assert len(two["losses"]) == SAME[name].max_iter
    for found, wanted in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*STARTS, "CSR", "holes"])
def test_the_start_is_that_of_all_rows(name, models, tmp_path):
    if name == "CSR":
        one = on_ranks.fit_sparse(None)
    elif name == "holes":
        one = on_ranks.fit_with_holes(None)
    elif name == "PCA, many features":
        with on_ranks.few_are_many():
            one = on_ranks.fit(STARTS[name])
    else:
        one = on_ranks.fit(STARTS[name])
    one, two = on_ranks.describe(one, tmp_path / "model"), models[0][name]
    # The loss of a VAE is under noise, which is not the same.
    for what in ("mean", "scale", "losses" if one["noise"] is None else "noise"):
        np.testing.assert_allclose(two[what], one[what], rtol=1e-6, atol=1e-12)
    for found, wanted in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6 * max(1, np.abs(wanted).max()))


def test_repeated_steps_are_ordinary_ones_to_rounding(models):
    """A rank that has run out of rows takes part in both without any."""
    one, other = models[0]["ordinary"], models[0]["replayed"]
    np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-3)


def test_a_callback_with_a_hook_for_batches_does_not_end_the_agreement(models):
    assert models[0]["ordinary"]["file"] == models[1]["ordinary"]["file"]


def test_early_stopping_is_decided_together(models):
    assert models[0]["stopped early"]["epochs"] == models[1]["stopped early"]["epochs"] < 100


def test_ranks_draw_noise_and_order_of_their_own_and_the_same_start(models):
    first, second = (found["draws"] for found in models)
    own = {purpose for purpose in first if first[purpose] != second[purpose]}
    assert own == {*DRAWN, "shuffling"}


def test_a_fit_of_one_process_needs_no_other_inside_of_a_group(models, tmp_path):
    assert models[0]["alone meanwhile"]["epochs"] == 2


def test_the_first_rank_draws_as_one_process_does():
    generators, others = make_generators(3), make_generators(3)
    before = {name: g.get_state() for name, g in generators.items()}
    part_ways(generators, 0)
    assert all(torch.equal(before[name], g.get_state()) for name, g in generators.items())
    part_ways(generators, 1)
    part_ways(others, 2)
    draws = [torch.rand(3, generator=g["noise"]).tolist() for g in (generators, others)]
    assert draws[0] != draws[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_noise_of_their_own_changes_no_score(tmp_path):
    """Within two standard errors of the spread over seeds, on rows that training has not seen."""
    [((two, _), codes)] = on_ranks_of(tmp_path, "scores")
    assert codes == [0, 0]
    for name, estimator in on_ranks.DEFAULTS.items():
        one = [on_ranks.held_out_score(estimator, seed) for seed in range(on_ranks.N_SEEDS)]
        error = np.hypot(np.std(one, ddof=1), np.std(two[name], ddof=1)) / on_ranks.N_SEEDS**0.5
        gap = np.mean(two[name]) - np.mean(one)
        print(f"{name:>24} {np.mean(one):10.4f} {gap:+.4f} +- {error:.4f}")
        assert abs(gap) <= max(2 * error, 1e-3 * abs(np.mean(one))), name


# What cannot be shared


WORDS = {
    "batch_topk": ["sparsity='batch_topk'", "distributed=False"],
    "kl": ["sparsity='kl'", "distributed=False"],
    "free_bits": ["free_bits=0.1", "distributed=False"],
    "a size that is looked for": ["n_components=0.9", "distributed=False", "int"],
    "online": ["solver='online'", "distributed=False", "'batch'"],
    "a term of a batch": ["'spread'", "(batch,)", "distributed=False"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_batch_as_a_whole_is_refused(name, failures):
    for found in failures[0]:
        kind, words, _ = found[name]
        assert kind == "ValueError"
        assert [word for word in WORDS[name] if word not in words] == []


def test_without_a_process_group_there_is_advice():
    with pytest.raises(ValueError, match=r"init_process_group.*torchrun.*distributed=False"):
        Autoencoder(distributed=True).fit(load_digits().data)


# Failures


@pytest.mark.parametrize(
    ("name", "own", "other"),
    [
        ("NaN on one", "ValueError", "Rank 1 of 2 has failed: ValueError: Input X contains NaN"),
        ("error on one", "OSError", "Rank 1 of 2 has failed: OSError: no space left on device"),
    ],
)
def test_the_others_are_told_what_has_happened(name, own, other, failures):
    (first, second), _ = failures
    assert second[name][0] == own
    assert first[name][0] == "RankError"
    assert first[name][1].startswith(other)
    assert first[name][2] < 30


@pytest.mark.parametrize("name", UNLIKE)
def test_ranks_that_are_not_alike_are_told_in_what(name, unlike):
    for found in unlike[0]:
        assert found[name][0] == "ValueError"
        assert f"must have the same {UNLIKE[name][0]}. Got" in found[name][1]
        assert found[name][2] < 30


def test_ranks_that_are_alike_are_told_nothing(unlike):
    assert unlike[1] == [0, 0]
    assert [found["alike"][:2] for found in unlike[0]] == [("epochs", 6)] * 2


@pytest.mark.parametrize("name", ["stopped by one", "Ctrl-C", "Ctrl-C on one"])
def test_an_interrupt_ends_the_training_of_all_at_one_step(name, failures):
    for found in failures[0]:
        assert found[name][:2] == ("epochs", 3)


def test_a_loss_that_is_not_finite_on_one_rank_is_that_of_all(failures):
    kinds = {found["divergence"][:2] for found in failures[0]}
    assert len(kinds) == 1
    assert kinds.pop()[0] == "epochs"


def test_the_user_s_group_outlives_fits_that_failed(failures):
    assert [found["after all that"][:2] for found in failures[0]] == [("epochs", 6)] * 2


def test_a_rank_that_is_killed_leaves_nobody_waiting(failures):
    (first, second), codes = failures
    kind, words, seconds = first["killed"]
    assert kind == "RankError"
    assert words.startswith("Rank 1 of 2 does not answer")
    assert seconds < 30
    assert "killed" not in second
    assert codes[1] == -9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_of_three_ranks_the_one_that_is_killed_is_named(tmp_path):
    on_ranks_of(tmp_path, "three")
    first, second, third = (
        pickle.loads((tmp_path / "three" / f"found{rank}").read_bytes()) for rank in range(3)
    )
    files = {found["no noise"]["file"] for found in (first, second, third)}
    assert len(files) == 1
    one = on_ranks.fit(SAME["no noise"]).loss_curve_
    np.testing.assert_allclose(first["no noise"]["losses"], one, rtol=1e-5)
    for kind, words in (first["killed"], third["killed"]):
        assert kind == "RankError"
        assert words.startswith("Rank 1 of 3 does not answer")


@pytest.mark.slow
def test_a_rank_that_is_stuck_is_waited_for_until_the_timeout(tmp_path):
    [((first, _), _)] = on_ranks_of(tmp_path, "waiting", seconds=6)
    kind, words, seconds = first["stuck"]
    assert kind == "RankError"
    assert words.startswith("Rank 1 of 2 does not answer")
    assert 5 < seconds < 12


# Scripts and searches, as the how-to has them

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "many_machines.md"


@pytest.mark.slow
def test_the_script_of_the_page_runs_under_torchrun(tmp_path):
    (script,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "fit.py").write_text(script)
    np.save(tmp_path / "rows.npy", on_ranks.X)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*run, "fit.py"], cwd=tmp_path, timeout=LIMIT, check=True)
    model = skae.load(tmp_path / "model.safetensors")
    assert model.n_iter_ == 5
    whole = Autoencoder(8, max_iter=5, random_state=0).fit(on_ranks.X)
    np.testing.assert_allclose(model.mean_, whole.mean_, rtol=1e-12)
    assert abs(model.score(on_ranks.X) - whole.score(on_ranks.X)) < 0.02


def n_threads(_):
    return torch.get_num_threads()


@pytest.mark.slow
def test_workers_of_joblib_share_the_threads():
    with parallel_config("loky", n_jobs=2):
        found = Parallel()(delayed(n_threads)(i) for i in range(4))
    assert max(found) <= max(1, os.cpu_count() // 2)


@pytest.mark.slow
def test_workers_of_dask_have_a_thread_each():
    client = pytest.importorskip("distributed").Client
    with client(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = cluster.run(torch.get_num_threads)
    assert set(found.values()) == {1}


@pytest.mark.slow
def test_a_folder_of_files_is_learnt_as_the_whole_is(tmp_path, monkeypatch):
    """The loop of the page, with more epochs, beside `fit`: held-out explained variance."""
    (loop,) = re.findall(r"```python\n(from pathlib.*?)```", PAGE.read_text(), re.DOTALL)
    assert "n_epochs, rate = 2," in loop
    Z, y = load_digits(return_X_y=True)
    order, Z = np.random.default_rng(0).permutation(len(Z)), Z.astype(np.float32)
    train, test = order[:1400], order[1400:]
    namespace = {"np": np, "Autoencoder": Autoencoder, "X": Z[train], "y": y[train]}
    monkeypatch.chdir(tmp_path)
    exec(loop.replace("n_epochs, rate = 2,", "n_epochs, rate = 60,"), namespace)
    whole = Autoencoder(8, batch_size=64, alpha=0.1, max_iter=60, random_state=0).fit(Z[train])
    scores = [explained_variance(model, Z[test]) for model in (namespace["stream"], whole)]
    print(scores)
    assert scores[0] > scores[1] - 0.01


# What each is to read


def test_shards_are_disjoint_and_leave_no_row_out(tmp_path):
    X = np.arange(14.0).reshape(7, 2)
    np.save(tmp_path / "all.npy", X)
    for source in (X, X.tolist(), tmp_path / "all.npy", str(tmp_path / "all.npy")):
        parts = [shard(source, rank=rank, n_ranks=3) for rank in range(3)]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts), axis=0), X)
        np.testing.assert_array_equal(shard(source), X)


@pytest.mark.parametrize("kind", ["table", "list", "file", "files"])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"rank": 2, "n_ranks": 2}, r"rank must be.*n_ranks=2\. Got 2"),
        ({"rank": -1, "n_ranks": 2}, "rank must be.*Got -1"),
        ({"rank": 1}, r"rank must be.*n_ranks=1\. Got 1"),
        ({"rank": 0.0, "n_ranks": 2}, r"rank must be.*Got 0\.0"),
        ({"n_ranks": 0}, "n_ranks must be.*Got 0"),
        ({"n_ranks": -2}, "n_ranks must be.*Got -2"),
        ({"n_ranks": 2.0}, r"n_ranks must be.*Got 2\.0"),
    ],
)
def test_a_rank_is_one_of_the_ranks(tmp_path, kind, place, words):
    X, path = np.arange(12.0).reshape(6, 2), tmp_path / "all.npy"
    np.save(path, X)
    source = {"table": X, "list": X.tolist(), "file": path, "files": [path] * 6}[kind]
    with pytest.raises(ValueError, match=words):
        shard(source, **place)


def test_a_file_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "all.npy", np.zeros((7, 2)))
    part = shard(tmp_path / "all.npy", rank=1, n_ranks=2)
    assert isinstance(part, np.memmap)
    assert part.shape == (3, 2)


def test_files_are_dealt_out(tmp_path):
    files = [tmp_path / f"{i}.npy" for i in range(5)]
    for i, file in enumerate(files):
        np.save(file, np.full((2, 1), i))
    assert shard(files, rank=1, n_ranks=2).ravel().tolist() == [1, 1, 3, 3]
    assert isinstance(shard(files[:2], rank=1, n_ranks=2), np.memmap)
    with pytest.raises(ValueError, match="none is left for rank 5"):
        shard(files, rank=5, n_ranks=6)


def test_a_model_of_many_is_read_by_one(tmp_path):
    """The parameter alone stays, and asks for a group at the next fit only."""
    model = Autoencoder(2, distributed=True)
    again = pickle.loads(pickle.dumps(model))
    assert again.distributed
    assert "distributed" in skae.__all__
