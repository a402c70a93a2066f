"""Displays: what is drawn is the data, and where it was asked for."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

from skae import Autoencoder
from skae.display import (
    DictionaryDisplay,
    LatentDisplay,
    LossCurveDisplay,
    ManifoldDisplay,
    ReconstructionDisplay,
)

X, y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def ae():
    return Autoencoder(2, max_iter=5, early_stopping=True, random_state=0).fit(X)


def test_loss_curves(ae):
    display = LossCurveDisplay.from_estimator(ae, linewidth=3)
    train, valid = display.lines_
    np.testing.assert_array_equal(train.get_ydata(), ae.loss_curve_)
    np.testing.assert_array_equal(valid.get_ydata(), ae.validation_loss_curve_)
    assert train.get_linewidth() == 3
    assert display.figure_ is display.ax_.figure


def test_every_term_is_drawn_where_there_are_several():
    display = LossCurveDisplay([3, 2], terms={"reconstruction": [2, 1], "kl": [1, 1]}).plot()
    labels = [line.get_label() for line in display.lines_]
    assert labels == ["training", "reconstruction", "kl"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda ae, ax: LossCurveDisplay.from_estimator(ae, ax=ax),
        lambda ae, ax: LatentDisplay.from_estimator(ae, X, y, ax=ax),
        lambda ae, ax: ReconstructionDisplay.from_estimator(ae, X[:3], image_shape=(1, 4), ax=ax),
        lambda ae, ax: ManifoldDisplay.from_estimator(ae, X, image_shape=(1, 4), ax=ax),
    ],
)
def test_given_axes_are_used(ae, draw):
    _, ax = plt.subplots()
    display = draw(ae, ax)
    assert display.ax_ is ax
    assert len(plt.get_fignums()) == 1
    assert display.plot().ax_ is not ax


def test_reconstructions():
    digits = load_digits().data
    pca = PCA(9).fit(digits)
    display = ReconstructionDisplay.from_estimator({"nine": pca}, digits[:6])
    assert display.row_names == ["input", "nine"]
    picture = display.image_.get_array()
    assert picture.shape == (17, 53)
    np.testing.assert_array_equal(picture[:8, 9:17], digits[1].reshape(8, 8))
    back = pca.inverse_transform(pca.transform(digits[5:6])).reshape(8, 8)
    np.testing.assert_allclose(picture[9:, 45:], back, rtol=1e-6)


def test_a_dictionary():
    pca = PCA(18).fit(load_digits().data)
    display = DictionaryDisplay.from_estimator(pca, n_columns=16)
    picture = np.ma.filled(display.image_.get_array(), np.nan)
    assert picture.shape == (17, 143)
    atom = pca.components_[17].reshape(8, 8)
    np.testing.assert_allclose(picture[9:, 9:17], atom / np.abs(atom).max())
    assert np.isnan(picture[9:, 18:]).all()


def test_images_that_are_no_squares_need_a_shape(ae):
    with pytest.raises(ValueError, match="5 features make no square image"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(np.eye(5)), np.eye(5))


def test_codes_by_class_by_number_and_alone(ae):
    Z = ae.transform(X)
    by_class = LatentDisplay.from_estimator(ae, X, np.array(["a", "b", "c"])[y])
    groups = by_class.ax_.collections
    assert [g.get_label() for g in groups] == ["a", "b", "c"]
    np.testing.assert_allclose(groups[1].get_offsets(), Z[y == 1])
    by_number = LatentDisplay.from_estimator(ae, X, X[:, 0])
    np.testing.assert_array_equal(by_number.ax_.collections[0].get_array(), X[:, 0])
    assert len(by_number.figure_.axes) == 2  # with a colour bar
    alone = LatentDisplay.from_estimator(ae, X)
    assert len(alone.ax_.collections) == 1


def test_codes_of_one_number_are_a_histogram():
    pca = PCA(1).fit(X)
    display = LatentDisplay.from_estimator(pca, X, y)
    assert sum(patch.get_height() for patch in display.ax_.patches) >= 150
    assert LatentDisplay.from_estimator(pca, X).ax_.get_ylabel() == "rows"


def test_other_components(ae):
    display = LatentDisplay.from_estimator(PCA(4).fit(X), X, components=(1, 3))
    assert display.ax_.get_ylabel() == "code 3"


def test_the_manifold_s_images_lie_at_their_codes():
    digits = load_digits().data
    pca = PCA(4).fit(digits)
    limits = ((-30, 50), (-10, 10))
    display = ManifoldDisplay.from_estimator(
        pca, digits, components=(2, 0), limits=limits, n_images=13, image_shape=(4, 16)
    )
    n_rows, n_columns, height, width = display.images.shape
    assert (n_columns, height, width) == (13, 4, 16)
    np.testing.assert_allclose(display.centers[0][[0, -1]], limits[0])
    # where the picture shows the image of the second column and the third row from below
    left, right, bottom, top = display.image_.get_extent()
    picture = np.ma.filled(display.image_.get_array(), np.nan)
    column = (display.centers[0][1] - left) / (right - left) * picture.shape[1]
    row = (top - display.centers[1][2]) / (top - bottom) * picture.shape[0]
    assert column == pytest.approx(17 + 8)
    assert row == pytest.approx(5 * (n_rows - 3) + 2)
    # both axes on one scale, and the grid as high as asked for, up to half a step
    assert (right - left) / picture.shape[1] == pytest.approx((top - bottom) / picture.shape[0])
    assert abs(np.ptp(display.centers[1]) - 20) <= np.diff(display.centers[1])[0] / 2
    code = [display.centers[1][2], 0, display.centers[0][1], 0]  # the mean code of PCA is 0
    expected = pca.inverse_transform([code])[0].reshape(4, 16)
    np.testing.assert_allclose(display.images[n_rows - 3, 1], expected, atol=1e-9)
    shown = picture[5 * (n_rows - 3) : 5 * (n_rows - 3) + 4, 17:33]
    np.testing.assert_allclose(shown, expected, atol=1e-9)
    assert display.image_.get_clim() == (0, 16)


def test_the_manifold_covers_the_codes_of_the_rows(ae):
    display = ManifoldDisplay.from_estimator(ae, X, image_shape=(2, 2), n_images=9)
    low, high = np.quantile(ae.transform(X), [0.02, 0.98], axis=0)
    middles = [(values[0] + values[-1]) / 2 for values in display.centers]
    np.testing.assert_allclose(middles, (low + high) / 2, rtol=1e-5)
    steps = [np.diff(values)[0] for values in display.centers]
    np.testing.assert_allclose(steps, (high - low).max() / 8, rtol=1e-5)
    assert display.images.shape[:2] == tuple(len(values) for values in display.centers)[::-1]
    assert max(display.images.shape[:2]) == 9
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code 0", "code 1")


def test_a_manifold_of_codes_that_are_all_the_same(ae):
    display = ManifoldDisplay.from_estimator(ae, X[[0, 0]], image_shape=(2, 2))
    assert display.images.shape == (2, 2, 2, 2)
    with pytest.raises(ValueError, match="n_images == 1, must be >= 2"):
        ManifoldDisplay.from_estimator(ae, X, image_shape=(2, 2), n_images=1)
