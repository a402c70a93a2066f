"""`compare`: its figures are those of a loop written by hand, and their errors those of papers."""

import builtins
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import NMF, PCA, KernelPCA, TruncatedSVD
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import TSNE, trustworthiness
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, Normalizer, OneHotEncoder, StandardScaler

from skae import GLGAE, VAE, Autoencoder, compare
from skae.exceptions import StartKeptWarning
from skae.metrics import explained_variance

X, y = load_iris(return_X_y=True)
TIMES = ["fit_time", "transform_time"]
STATISTICS = ("", "_se", "_difference", "_difference_se")


def without_times(table):
    return table.drop(columns=[c for c in table.columns if "_time" in c])


# By hand

MODELS = {
    "PCA": PCA(2),
    "Autoencoder": Autoencoder(2, max_iter=3),
    "VAE": VAE(2, max_iter=3),
    "GLGAE": GLGAE(2, n_nodes=16, max_iter=3),
}


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def measure_by_hand(model, X, y, train, test):
    model.fit(X[train])
    Z, Z_test = model.transform(X[train]), model.transform(X[test])
    scaler = StandardScaler().fit(Z)
    judges = {
        "accuracy_linear": LogisticRegression(max_iter=1000),
        "accuracy_neighbors": KNeighborsClassifier(5),
    }
    for judge in judges.values():
        judge.fit(scaler.transform(Z), y[train])
    return {
        "explained_variance": explained_variance(model, X[test]),
        "score": model.score(X[test]),
        "trustworthiness": trustworthiness(X[test], Z_test, n_neighbors=5),
        **{name: j.score(scaler.transform(Z_test), y[test]) for name, j in judges.items()},
        "code_size": Z.shape[1],
    }


@pytest.mark.filterwarnings("ignore::skae.exceptions.StartKeptWarning")
@pytest.mark.parametrize("load", [digits, wine])
def test_the_figures_are_those_of_a_loop(load):
    X, y = load()
    table, folds = compare(MODELS, X, y, cv=2, random_state=7, return_folds=True)
    splitter = StratifiedKFold(2, shuffle=True, random_state=7)
    rows = []
    for name, model in MODELS.items():
        for k, (train, test) in enumerate(splitter.split(X, y)):
            seeded = clone(model).set_params(random_state=7 + k)
            found = measure_by_hand(seeded, X, y, train, test)
            rows.append({"name": name, "fold": k, "n_test": len(test), **found})
    by_hand = pd.DataFrame(rows)
    pd.testing.assert_frame_equal(folds[by_hand.columns], by_hand, check_dtype=False, rtol=1e-12)
    means = by_hand.groupby("name", sort=False).mean(numeric_only=True).drop(columns="fold")
    for metric in means.columns.drop("n_test"):
        np.testing.assert_allclose(table[metric], means[metric], rtol=1e-12)
    assert (table[TIMES] > 0).all(axis=None)


def test_standard_errors_are_those_of_overlapping_training_sets():
    """Nadeau and Bengio (2003), equation 9: (1 / J + n_test / n_train) times the variance."""
    models = {"two": PCA(2), "one": PCA(1)}
    splits = ShuffleSplit(7, test_size=0.2, random_state=0)
    table, folds = compare(models, X, cv=splits, random_state=0, return_folds=True)
    two, one = folds["explained_variance"].to_numpy().reshape(2, 7)
    factor = np.sqrt(1 / 7 + 30 / 120)
    for name, values in (("two", two), ("one", one)):
        found = table.loc[name, "explained_variance_se"]
        assert found == pytest.approx(factor * values.std(ddof=1))
    difference = table.loc["one", ["explained_variance_difference"]].item()
    assert difference == pytest.approx(np.mean(one - two))
    found = table.loc["one", "explained_variance_difference_se"]
    assert found == pytest.approx(factor * (one - two).std(ddof=1))
    assert table.loc["two", "explained_variance_difference"] == 0
    assert list(table["reference"]) == ["two", "two"]


def test_one_split_has_no_standard_error():
    table = compare({"a": PCA(1)}, X, cv=ShuffleSplit(1, random_state=0))
    assert np.isnan(table["explained_variance_se"]).all()
    assert np.isfinite(table["explained_variance"]).all()


def test_numbers_are_told_from_the_codes_by_regressions():
    X, y = load_diabetes(return_X_y=True)  # whole numbers, as floats, 214 of them
    _, folds = compare({"PCA": PCA(2)}, X, y, cv=3, random_state=0, return_folds=True)
    for k, (train, test) in enumerate(KFold(3, shuffle=True, random_state=0).split(X)):
        pca = PCA(2).fit(X[train])
        scaler = StandardScaler().fit(pca.transform(X[train]))
        Z, Z_test = (scaler.transform(pca.transform(X[rows])) for rows in (train, test))
        for column, judge in (("r2_linear", Ridge()), ("r2_neighbors", KNeighborsRegressor(5))):
            expected = judge.fit(Z, y[train]).score(Z_test, y[test])
            assert folds[column][k] == pytest.approx(expected)
    assert not any("accuracy" in column for column in folds.columns)


def test_trustworthiness_of_many_rows_is_that_of_some(monkeypatch):
    monkeypatch.setattr("skae._folds.MOST_ROWS", 40)
    options = {"cv": 2, "random_state": 0, "metrics": ["trustworthiness"], "return_folds": True}
    table, folds = compare({"a": PCA(1), "b": PCA(1)}, X, **options)
    assert table["trustworthiness_difference"].tolist() == [0, 0]  # of the same rows
    train, test = next(KFold(2, shuffle=True, random_state=0).split(X))
    drawn = np.sort(np.random.RandomState(0).permutation(75)[:40])
    Z = PCA(1).fit(X[train]).transform(X[test])
    assert folds["trustworthiness"][0] == trustworthiness(X[test][drawn], Z[drawn])


# Sizes


def test_sizes_are_compared_with_the_same_size():
    models = {"PCA": PCA(), "scaled": make_pipeline(StandardScaler(), PCA())}
    table = compare(models, X, n_components=[1, 3], cv=3, random_state=0)
    assert table.index.tolist() == ["PCA 1", "PCA 3", "scaled 1", "scaled 3"]
    assert table["method"].tolist() == ["PCA", "PCA", "scaled", "scaled"]
    assert table["reference"].tolist() == ["PCA 1", "PCA 3", "PCA 1", "PCA 3"]
    assert table["code_size"].tolist() == [1, 3, 1, 3]
    one, three, scaled_one, scaled_three = table["explained_variance"]
    found = table["explained_variance_difference"]
    np.testing.assert_allclose(found, [0, 0, scaled_one - one, scaled_three - three])
    assert models["scaled"][-1].n_components is None  # clones were changed


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (Normalizer(), "is a Normalizer without it"),
        (make_pipeline(PCA(), NMF()), r"has \['nmf__n_components', 'pca__n_components'\]"),
    ],
)
def test_sizes_need_one_place_to_go(model, got):
    with pytest.raises(TypeError, match=rf"n_components=2 needs .* mine {got}: leave it out"):
        compare({"mine": model}, X, n_components=[2])


# Same seed, same table


@pytest.mark.cpu
@pytest.mark.parametrize(
    ("backend", "model"),
    [("multiprocessing", GLGAE(n_nodes=9, max_iter=2)), ("threading", Autoencoder(max_iter=2))],
)
def test_fits_at_once_change_nothing(backend, model):
    models, options = {"PCA": PCA(2), "other": model}, {"cv": 2, "random_state": 0}
    alone = compare(models, X, y, **options)
    with parallel_config(backend):  # the default one imports torch anew in each process
        together = compare(models, X, y, n_jobs=2, **options)
    pd.testing.assert_frame_equal(without_times(alone), without_times(together))


def test_seeds_are_set_where_there_are_none():
    class Seeded(PCA):
        seen = []

        def fit(self, X, y=None):
            self.seen.append(self.random_state)
            return super().fit(X)

    models = {"a": Seeded(2), "b": make_pipeline(Seeded(2)), "c": Seeded(2, random_state=9)}
    _, folds = compare(models, X, cv=2, random_state=4, return_folds=True)
    assert Seeded.seen == [4, 5, 4, 5, 9, 9]
    assert folds["seed"].tolist() == [4, 5] * 3
    assert models["a"].random_state is None


def test_another_seed_another_table():
    def measure(seed):
        return compare({"a": PCA(1)}, X, random_state=seed)["explained_variance_se"].item()

    assert len({measure(seed) for seed in (0, 1, None, None)}) == 4
    assert measure(np.random.RandomState(0)) == measure(np.random.RandomState(0))


def test_the_global_generator_is_left_alone():
    before = np.random.get_state(legacy=False)["state"]
    compare({"a": PCA(1)}, X, cv=2)
    np.testing.assert_equal(np.random.get_state(legacy=False)["state"], before)


@pytest.mark.parametrize(
    ("target", "splitter"),
    [(None, GroupKFold), (y, StratifiedGroupKFold)],
)
def test_groups_stay_together(target, splitter):
    groups = np.arange(150) // 5
    options = {"groups": groups, "cv": 3, "random_state": 1, "return_folds": True}
    _, folds = compare({"a": PCA(1)}, X, target, **options)
    splits = splitter(3, shuffle=True, random_state=1).split(X, target, groups)
    expected = [explained_variance(PCA(1).fit(X[i]), X[j]) for i, j in splits]
    np.testing.assert_allclose(folds["explained_variance"], expected)


# What X, y and estimators may be


def test_frames_strings_tensors_and_lists_are_the_same_rows():
    X, y = wine()  # without ties
    options = {"cv": 2, "random_state": 0}
    models = [("PCA", PCA(2)), ("pipe", make_pipeline(StandardScaler(), PCA(1)))]
    expected = without_times(compare(models, X, y, **options))
    names = np.array(["Barolo", "Grignolino", "Barbera"])[y]
    frame = pd.DataFrame(X, columns=list("abcdefghijklm"), index=np.arange(178)[::-1])
    for rows, target in (
        (frame, pd.Series(names, index=frame.index)),
        (frame, pd.Series(names, dtype="category")),
        (torch.from_numpy(X), torch.from_numpy(y)),
        (X.tolist(), names.tolist()),
    ):
        found = without_times(compare(models, rows, target, **options))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


def test_sparse_rows_and_sparse_codes():
    rows = sparse.csr_matrix(load_digits().data[:200])
    models = {"SVD": TruncatedSVD(2), "sparse": MaxAbsScaler()}
    table, folds = compare(models, rows, np.arange(200) % 2, cv=2, return_folds=True)
    assert table["code_size"].tolist() == [2, 64]
    assert table.loc["sparse", "explained_variance"] == 1
    measured = folds[["explained_variance", "trustworthiness", "accuracy_linear"]]
    assert np.isfinite(measured).all(axis=None)


def test_without_pandas_it_is_a_dict_of_arrays(monkeypatch):
    models = {"PCA": PCA(2), "other": Normalizer()}
    options = {"cv": 2, "random_state": 0, "return_folds": True}
    frames = compare(models, X, y, **options)
    import_module = builtins.__import__

    def import_but_pandas(name, of=None, *others):
        if name == "pandas" and of["__name__"].startswith("skae"):  # others know that it is there
            raise ImportError
        return import_module(name, of, *others)

    monkeypatch.setattr(builtins, "__import__", import_but_pandas)
    dicts = compare(models, X, y, **options)
    assert dicts[0]["name"].tolist() == ["PCA", "other"]
    for found, frame in zip(dicts, (frames[0].reset_index(), frames[1]), strict=True):
        assert list(found) == list(frame.columns)
        for name in without_times(frame).columns:
            assert isinstance(found[name], np.ndarray)
            np.testing.assert_array_equal(found[name], frame[name])


def test_what_an_estimator_cannot_do_is_nan():
    class OneWay(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X[:, :2]

    class NoWayBack(OneWay):
        def inverse_transform(self, Z):
            raise NotImplementedError

    models = {"PCA": PCA(2), "one": OneWay(), "no": NoWayBack(), "kernel": KernelPCA(2)}
    table = compare(models, X, y, cv=2)
    for name in ("explained_variance", "score"):
        for statistic in STATISTICS:
            assert np.isnan(table[name + statistic]).tolist() == [False, True, True, True]
    assert np.isfinite(table[["trustworthiness", "accuracy_neighbors"]]).all(axis=None)


def test_nats_are_not_subtracted_from_shares():
    models = {"PCA": PCA(2), "VAE": VAE(2, max_iter=2), "ae": Autoencoder(2, max_iter=1)}
    table = compare(models, X, cv=2, random_state=0)
    assert np.isfinite(table["score"]).all()
    assert np.isnan(table["score_difference"]).tolist() == [False, False, True]
    reverse = compare(dict(reversed(models.items())), X, cv=2, random_state=0)
    assert np.isnan(reverse["score_difference"]).tolist() == [False, True, True]


def test_rows_of_text_and_gaps_are_measured_by_their_codes():
    rows = pd.DataFrame({"a": X[:, 0], "b": np.array(["x", "y"])[y % 2]})
    mixed = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["b"]))
    table = compare({"mixed": make_pipeline(mixed, TruncatedSVD(2))}, rows, y, cv=2)
    assert "accuracy_linear" in table.columns
    assert not {"explained_variance", "trustworthiness"} & set(table.columns)


def test_few_rows_of_a_class():
    few = np.r_[np.zeros(20, int), np.ones(20, int), 2, 2]
    with pytest.warns(UserWarning, match="least populated class in y has only 2 members"):
        table = compare({"PCA": PCA(2)}, X[-42:], few, cv=3, random_state=0)
    assert np.isfinite(table["accuracy_linear"]).all()
    tiny = compare({"PCA": PCA(1)}, X[:6], [0, 0, 0, 1, 1, 1], cv=3, random_state=0)
    assert tiny["accuracy_neighbors"].between(0, 1).all()  # of four rows
    assert np.isnan(tiny["trustworthiness"]).all()  # two rows have no nearer neighbour


def test_folds_of_one_row_have_no_variance():
    few, numbers = X[::10], X[::10, 0] + 0.01 * np.arange(15)
    models = {"PCA": PCA(1), "other": PCA(2)}
    for target, names in ((None, "'explained_variance'"), (numbers, "'r2_linear'")):
        for cv in (LeaveOneOut(), 15, [(np.arange(1, 15), [0]), (np.arange(13), [13, 14])]):
            with pytest.raises(ValueError, match=f"two rows.*{names}.*one row in fold 1.*cv=5"):
                compare(models, few, target, cv=cv)
    table = compare(models, few, numbers, cv=LeaveOneOut(), metrics=["score", "fit_time"])
    by_hand = [PCA(1).fit(few[train]).score(few[test]) for train, test in LeaveOneOut().split(few)]
    np.testing.assert_allclose(table.loc["PCA", "score"], np.mean(by_hand))


class Supervised(PCA):
    """Looks at its targets, of which there may be several for each row."""

    def fit(self, X, y):
        self.targets_ = np.shape(y)
        return super().fit(X)

    def score(self, X, y):
        return float(np.shape(y)[1:] == self.targets_[1:])


@pytest.mark.parametrize(
    "target",
    [X[:, :2], pd.DataFrame(X[:, :2]), [[a, b] for a, b in X[:, :2]], 0 * y, np.eye(3)[y]],
    ids=["numbers", "frame", "lists", "one class", "indicators"],
)
def test_targets_that_no_metric_reads_may_be_anything(target):
    table = compare({"a": Supervised(1)}, X, target, cv=2, metrics=["score", "explained_variance"])
    assert table["score"].tolist() == [1.0]
    with pytest.raises(ValueError, match="y"):
        compare({"a": Supervised(1)}, X, target, cv=2)
    with pytest.raises(ValueError, match="y"):
        compare({"a": Supervised(1)}, X, target, cv=2, metrics="accuracy_linear")


def test_metrics_are_chosen():
    table = compare({"a": PCA(1)}, X, metrics=["fit_time", "explained_variance"], cv=2)
    columns = [m + s for m in ("fit_time", "explained_variance") for s in STATISTICS]
    assert table.columns.tolist() == ["method", "reference", "code_size", *columns]
    assert "score_se" in compare({"a": PCA(1)}, X, metrics="score", cv=2).columns


# What is said


def test_nothing_is_printed_unless_asked(capsys):
    compare({"PCA": PCA(1)}, X, cv=2)
    assert capsys.readouterr() == ("", "")
    compare({"PCA": PCA(1), "b": PCA(2)}, X, cv=2, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("[compare] PCA, fold 2 of 2: fitted in 0.0 s")


class Warns(PCA):
    def fit(self, X, y=None):
        warnings.warn(f"rows: {len(X)}", RuntimeWarning, stacklevel=2)
        warnings.warn("again", UserWarning, stacklevel=2)
        return super().fit(X)


@pytest.mark.cpu
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_warnings_are_shown_once_with_a_name(n_jobs):
    with pytest.warns() as caught, parallel_config("multiprocessing"):
        compare({"a": Warns(1), "b": PCA(1)}, X, cv=4, n_jobs=n_jobs)
    caught = [w for w in caught if w.category is not DeprecationWarning]  # Python 3.12's, of forks
    expected = ["a, in 4 of 4 fits: rows: 112", "a, in 4 of 4 fits: again"]
    assert [str(w.message) for w in caught] == expected
    assert [w.category for w in caught] == [RuntimeWarning, UserWarning]
    assert caught[0].filename == __file__


def test_filters_of_warnings_are_heeded():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="rows: ")
        warnings.simplefilter("ignore", UserWarning)
        compare({"a": Warns(1)}, X, cv=2)
        warnings.simplefilter("error", StartKeptWarning)
        with pytest.raises(RuntimeError, match="VAE: fit or transform failed.*StartKeptWarning"):
            compare({"VAE": VAE(2, max_iter=1)}, X, cv=2, random_state=0)


def test_a_failure_has_a_name():
    message = (
        r"bad: fit or transform failed on fold 1, with 75 rows to fit and 75 held out. "
        r"ValueError: n_components=9 must be"
    )
    with pytest.raises(RuntimeError, match=message) as caught:
        compare({"good": PCA(1), "bad": PCA(9)}, X, cv=2)
    assert isinstance(caught.value.__cause__, ValueError)

    class Broken(PCA):
        def inverse_transform(self, Z):
            raise ValueError("no way")

    with pytest.raises(RuntimeError, match="broken: explained_variance failed on fold .*no way"):
        compare({"broken": Broken(1)}, X, cv=2)


@pytest.mark.parametrize(
    ("estimators", "error", "message"),
    [
        ({}, ValueError, "estimators must hold at least one. Got none"),
        ([("a", PCA()), ("a", PCA(1))], ValueError, r"a name of its own. Got \['a'\]"),
        ([PCA()], TypeError, r"or a list of pairs \(name, transformer\). Got PCA\(\) in it"),
        ([("a", PCA(), 1)], TypeError, "list of pairs"),
        ({1: PCA()}, TypeError, "list of pairs"),
        ({"a": PCA}, TypeError, r"a must be an instance: PCA\(\). Got the class"),
        ({"a": TSNE()}, TypeError, "a: estimator must have transform. Got TSNE instead"),
        ({"a": 5}, TypeError, "a: estimator must have fit. Got int instead"),
        (
            {"a": make_pipeline(StandardScaler(), LogisticRegression())},
            TypeError,
            "a: estimator must have transform. Got Pipeline instead, whose step 'logisticr",
        ),
    ],
)
def test_what_is_no_transformer_is_refused(estimators, error, message):
    with pytest.raises(error, match=message):
        compare(estimators, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["acuracy"]}, r"metrics must be some of \['explained_variance', .*'acuracy'"),
        ({"metrics": ["r2_linear"], "y": y}, "'r2_linear' needs a y of numbers. Got an array of"),
        ({"metrics": ["accuracy_linear"]}, "'accuracy_linear' needs a y of classes. Got None"),
        ({"y": y[:100]}, r"inconsistent numbers of samples: \[150, 100\]"),
        ({"y": 0 * y}, "y must have two classes at least. Got 0 alone"),
        ({"y": X}, "y should be a 1d array"),
        ({"y": np.where(y == 0, np.nan, y)}, "Input y contains NaN"),
        ({"n_components": []}, r"n_components must hold at least one size. Got \[\]"),
        ({"n_components": [1, 1]}, r"a name of its own. Got \['a 1'\]"),
        ({"cv": 1}, "k-fold cross-validation requires at least one"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compare({"a": PCA(1)}, X, **options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cv": []}, "cv must hold at least one split.*Got none"),
        ({"cv": iter([])}, "cv must hold at least one split.*Got none"),
        ({"cv": [np.arange(9)]}, "cv must hold pairs.*ndarray of 9 numbers"),
        ({"cv": [(np.arange(5), np.arange(5), np.arange(5))]}, "cv must hold pairs.*tuple"),
        ({"cv": [(np.arange(9), np.arange(999))]}, r"cv must hold numbers of rows.*Got 998"),
        ({"metrics": 5}, "metrics must be a list of names. Got 5"),
        ({"n_components": 2}, "n_components must hold at least one.*Got 2"),
        ({"n_components": "auto"}, "n_components must hold at least one.*Got 'auto'"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        compare({"PCA": PCA(2)}, X, **arguments)


@pytest.mark.parametrize("estimators", [None, PCA(2), 3])
def test_estimators_are_a_dict_or_pairs(estimators):
    with pytest.raises(TypeError, match="estimators must be a dict of transformers by name"):
        compare(estimators, X)


def test_splits_may_come_one_by_one():
    splits = [(np.arange(0, 100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]
    options = {"metrics": ["explained_variance"], "random_state": 0}
    listed = compare({"PCA": PCA(2)}, X, cv=splits, **options)
    yielded = compare({"PCA": PCA(2)}, X, cv=(split for split in splits), **options)
    assert listed.equals(yielded)
