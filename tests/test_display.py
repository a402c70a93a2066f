"""Displays: what is drawn is the data, and where it was asked for."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_iris, load_sample_image
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skae import (
    GLGAE,
    VAE,
    Autoencoder,
    SparseAutoencoder,
    compare,
)
from skae.display import (
    CompareDisplay,
    DictionaryDisplay,
    ErrorDisplay,
    LatentDisplay,
    LoadingsDisplay,
    LossCurveDisplay,
    ManifoldDisplay,
    PriorDisplay,
    ReconstructionDisplay,
    ScreeDisplay,
    VectorFieldDisplay,
)
from skae.display.priors import region_levels
from skae.exceptions import ParameterWarning

X, y = load_iris(return_X_y=True)


digits = load_digits().data
same = FunctionTransformer().fit(digits)


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
        lambda ae, ax: CompareDisplay.from_estimators({"ae": ae, "PCA": PCA()}, X, cv=2, ax=ax),
        lambda ae, ax: ErrorDisplay.from_estimator(ae, X, ax=ax),
        lambda ae, ax: VectorFieldDisplay.from_estimator(ae, X, n_arrows=3, ax=ax),
        lambda ae, ax: PriorDisplay(X, X[::2], y).plot(ax=ax),
    ],
)
def test_given_axes_are_used(ae, draw):
    _, ax = plt.subplots()
    display = draw(ae, ax)
    assert display.ax_ is ax
    assert len(plt.get_fignums()) == 1
    assert display.plot().ax_ is not ax


def test_reconstructions():
    pca = PCA(9).fit(digits)
    display = ReconstructionDisplay.from_estimator({"nine": pca}, digits[:6])
    assert display.row_names == ["input", "nine"]
    picture = display.image_.get_array()
    assert picture.shape == (17, 53)
    np.testing.assert_array_equal(picture[:8, 9:17], digits[1].reshape(8, 8))
    back = pca.inverse_transform(pca.transform(digits[5:6])).reshape(8, 8)
    np.testing.assert_allclose(picture[9:, 45:], back, rtol=1e-6)


def test_a_dictionary():
    pca = PCA(18).fit(digits)
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


# Which shapes, and in which shades


@pytest.fixture(scope="module")
def patches():
    """Colour patches of two photographs, whole numbers from 0 to 255."""
    photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    size = {"patch_size": (8, 8), "max_patches": 40, "random_state": 0}
    return np.concatenate([extract_patches_2d(p, **size) for p in photographs])


def draw_nothing_new(X, **options):
    return ReconstructionDisplay.from_estimator({"same": same}, X, **options)


def test_colour_images_are_drawn_as_they_are(patches):
    rows = patches.reshape(80, -1)
    display = draw_nothing_new(rows[:5], image_shape=(8, 8, 3))
    assert display.images.shape == (2, 5, 8, 8, 3)
    picture = display.image_.get_array()
    np.testing.assert_allclose(picture[9:, 9:17], patches[1] / 255)
    assert (picture[8] == 1).all()  # white between images
    as_shares = draw_nothing_new(patches[:5] / 255)  # images themselves; from 0 to 1
    np.testing.assert_allclose(as_shares.image_.get_array(), picture)
    scaled = draw_nothing_new(patches[:5] / 255 - 0.5).image_.get_array()[:8, :8]
    shifted = patches[:5] - float(patches[:5].min())
    np.testing.assert_allclose(scaled, shifted[0] / shifted.max(), atol=1e-12)
    chosen = draw_nothing_new(patches[:5], vmin=100, vmax=200).image_.get_array()[:8, :8]
    np.testing.assert_allclose(chosen, np.clip((patches[0] - 100.0) / 100, 0, 1))


def test_a_little_above_one_is_not_the_scale_of_bytes(patches):
    picture = draw_nothing_new(patches[:5] / 250).image_.get_array()
    assert np.mean(picture) > 0.2


def test_colour_images_have_no_colour_map(patches):
    with pytest.warns(ParameterWarning, match="cmap is for grey images and has no effect"):
        draw_nothing_new(patches[:2], cmap="viridis")


def test_transformers_are_given_rows(patches):
    grey = patches.mean(axis=3)
    pca = PCA(4).fit(grey.reshape(80, -1))
    for images in (grey, grey[..., None]):
        assert ReconstructionDisplay.from_estimator(pca, images).images.shape == (2, 80, 8, 8)
    assert ManifoldDisplay.from_estimator(pca, grey).images.shape[2:] == (8, 8)
    colours = PCA(4).fit(patches.reshape(80, -1))
    assert ManifoldDisplay.from_estimator(colours, patches).images.shape[2:] == (8, 8, 3)
    display = DictionaryDisplay.from_estimator(colours, image_shape=(8, 8, 3))
    atom = colours.components_[1].reshape(8, 8, 3)
    drawn = display.image_.get_array()[:8, 9:17]
    np.testing.assert_allclose(drawn, 0.5 + atom / np.abs(atom).max() / 2)


@pytest.mark.parametrize("choose", [lambda p: p.mean(axis=3), lambda p: p.mean(axis=3) / 255])
@pytest.mark.parametrize("change", [lambda p: p, lambda p: p - p.mean(axis=(1, 2), keepdims=True)])
def test_photographs_are_no_negatives(patches, choose, change):
    shades = draw_nothing_new(change(choose(patches))).image_.get_cmap()
    assert shades.name == "gray"


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (digits, "gray_r"),
        (digits[:1] / 16, "gray_r"),
        (digits / 8 - 1, "gray_r"),
        (digits > 7, "gray_r"),
        (16 - digits, "gray"),
        (digits <= 3, "gray"),
    ],
)
def test_digits_are_ink_on_paper(images, expected):
    for display in (
        draw_nothing_new(images[:12] * 1.0),
        ManifoldDisplay.from_estimator(same, images * 1.0, n_images=2),
    ):
        assert display.image_.get_cmap().name == expected
    assert draw_nothing_new(images[:12] * 1.0, cmap="viridis").image_.get_cmap().name == "viridis"


# Clean, noisy, restored


@pytest.fixture
def noisy():
    return digits[:6] + np.random.default_rng(0).normal(scale=8, size=(6, 64))


def test_clean_images_stand_beside_noisy_ones_and_set_the_scale(noisy):
    models = {"four": PCA(4).fit(digits), "nine": PCA(9).fit(digits)}
    display = ReconstructionDisplay.from_estimator(models, noisy, X_clean=digits[:6])
    assert display.row_names == ["clean", "input", "four", "nine"]
    np.testing.assert_array_equal(display.images[0], digits[:6].reshape(6, 8, 8))
    np.testing.assert_array_equal(display.images[1], noisy.reshape(6, 8, 8))
    back = models["nine"].inverse_transform(models["nine"].transform(noisy))
    np.testing.assert_allclose(display.images[3], back.reshape(6, 8, 8))
    assert display.image_.get_clim() == (0, 16)
    assert display.image_.get_cmap().name == "gray_r"
    shapes = ReconstructionDisplay.from_estimator(
        models, noisy.reshape(6, 8, 8), X_clean=digits[:6].reshape(6, 8, 8)
    )
    np.testing.assert_array_equal(shapes.images, display.images)


def test_what_is_given_to_the_models_is_never_called_original(noisy):
    display = draw_nothing_new(noisy)
    assert display.row_names == ["input", "same"]
    assert display.image_.get_clim() == (noisy.min(), noisy.max())


def test_clean_images_must_be_those_of_the_input(noisy):
    with pytest.raises(ValueError, match=r"X_clean must hold .* \(6, 64\). Got \(5, 64\)"):
        draw_nothing_new(noisy, X_clean=digits[:5])


# Nothing is cut off

LONG = "An estimator of which there is a lot to say, at the left of a few pictures"
TABLE = {
    "method": [LONG, LONG, "b"],
    "code_size": [1.0, 128.0, 2.5],
    "explained_variance_difference": [1e-7, 2e7, -3.0],
    "explained_variance_difference_se": [1e-7, 2e6, np.nan],
}
LONG_NAME = type("ThePrincipalComponentsOfWhateverYouHaveEverWantedToAnalyse", (PCA,), {})


def assert_all_is_inside(figure):
    """What is drawn in the figure, text included, lies inside of it."""
    drawn, size = figure.get_tightbbox(), figure.get_size_inches()
    assert (drawn.min >= 0).all(), drawn
    assert (drawn.max <= size).all(), (drawn, size)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_nothing_new(digits[:12]),
        lambda: ReconstructionDisplay.from_estimator({LONG: same, "b": same}, digits[:2]),
        lambda: ReconstructionDisplay(np.ones((3, 4, 3, 60)), ["a", "b", LONG]).plot(),
        lambda: LatentDisplay(digits[:, 18:20], np.arange(1797) % 10).plot(),
        lambda: LatentDisplay(digits[:, 18:20], [f"{LONG} {k % 50}" for k in range(1797)]).plot(),
        lambda: LatentDisplay(1e8 * digits[:, 18:20], 1e-5 * np.arange(1797)).plot(),
        lambda: LatentDisplay(digits[:, 18:19], np.arange(1797) % 10).plot(),
        lambda: DictionaryDisplay.from_estimator(LONG_NAME(9).fit(digits), n_columns=1),
        lambda: ManifoldDisplay.from_estimator(LONG_NAME(2).fit(digits), digits, n_images=2),
        lambda: LossCurveDisplay([1e-7, 2e7], estimator_name=LONG).plot(),
        lambda: ErrorDisplay({"held out": 1e-7 * X[:, 0]}, estimator_name=LONG).plot(),
        lambda: PriorDisplay(1e8 * X[:, :2], 1e8 * X[:, :2], y).plot(),
        lambda: VectorFieldDisplay.from_estimator(LONG_NAME(1).fit(1e8 * X), 1e8 * X, n_arrows=3),
        lambda: CompareDisplay(TABLE, metric="explained_variance_difference").plot(),
    ],
)
def test_no_text_is_cut_off(draw, tmp_path):
    display = draw()
    for _ in range(2):  # drawn again, and with a title of the user's
        display.figure_.savefig(tmp_path / "a.png")
        assert_all_is_inside(display.figure_)
        picture = display.ax_.bbox.size / display.figure_.dpi
        assert (picture > 0.35).all()
        display.ax_.set_title("my own\n2 lines")
    plt.tight_layout()  # as many have the habit


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["figure.constrained_layout.use", "figure.autolayout"])
def test_layouts_of_the_user_s_settings(name):
    with plt.rc_context({name: True}):
        display = LatentDisplay(X[:, :2], np.arange(150)).plot()
        display.figure_.draw_without_rendering()
        assert_all_is_inside(display.figure_)


def test_figures_of_others_are_left_alone():
    figure, ax = plt.subplots(figsize=(3, 2))
    ReconstructionDisplay.from_estimator({LONG: same}, digits[:2], ax=ax)
    assert tuple(figure.get_size_inches()) == (3, 2)
    assert figure.get_layout_engine() is None


def test_all_of_many_rows_can_still_be_drawn(tmp_path):
    draw_nothing_new(digits).figure_.savefig(tmp_path / "a.png")


def test_classes_have_colours_of_their_own():
    display = LatentDisplay(X[:, :2], [f"class {k % 30}" for k in range(150)]).plot()
    colors = {tuple(group.get_facecolor()[0]) for group in display.ax_.collections}
    assert len(colors) == 30


# What cannot be drawn


@pytest.mark.parametrize(
    "shape", [(8,), (8, 0), (8.0, 8), 64, "8x8", (3, 8, 8), (4, 4, 4), (-8, -8)]
)
def test_image_shapes_are_two_or_three_sizes(shape):
    message = r"image_shape must be a tuple of positive integers, \(height, width\) or, for col"
    for draw in (draw_nothing_new, lambda X, **o: ManifoldDisplay.from_estimator(same, X, **o)):
        with pytest.raises(ValueError, match=message):
            draw(digits[:5], image_shape=shape)
    with pytest.raises(ValueError, match=message):
        DictionaryDisplay.from_estimator(PCA(2).fit(digits), image_shape=shape)


@pytest.mark.parametrize(
    ("draw", "rows"),
    [
        (draw_nothing_new, "the rows of X"),
        (lambda X, **o: ManifoldDisplay.from_estimator(same, X, **o), "the rows of X"),
        (
            lambda X, **o: DictionaryDisplay.from_estimator(PCA(2).fit(digits), **o),
            "the rows of components_",
        ),
    ],
)
def test_image_shapes_must_fit_the_rows(draw, rows):
    message = rf"image_shape=\(8, 9\) has 72 pixels, but {rows} have 64 features."
    with pytest.raises(ValueError, match=message):
        draw(digits[:5], image_shape=(8, 9))
    with pytest.raises(ValueError, match=r"image_shape=\(8, 8, 3\) has 192 numbers, but"):
        draw(digits[:5], image_shape=(8, 8, 3))


@pytest.mark.parametrize("shape", [(64,), (2, 8, 8, 4), (2, 3, 8, 8), (1, 2, 8, 8, 3), ()])
def test_images_have_two_sizes_and_perhaps_colours(shape):
    for draw in (draw_nothing_new, lambda X: ManifoldDisplay.from_estimator(same, X)):
        with pytest.raises(
            ValueError, match=r"X must have the shape \(n_samples, n_features\), o"
        ):
            draw(np.zeros(shape))


def test_one_shape_of_images_is_enough():
    message = r"image_shape=\(4, 16\) is not the shape of the images in X, \(8, 8\). Leave it out."
    with pytest.raises(ValueError, match=message):
        draw_nothing_new(digits[:5].reshape(5, 8, 8), image_shape=(4, 16))


def test_no_rows():
    for draw in (draw_nothing_new, lambda X: ManifoldDisplay.from_estimator(same, X)):
        with pytest.raises(ValueError, match="X must have at least one row"):
            draw(digits[:0])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        LatentDisplay.from_estimator(PCA(2).fit(X), X[:0])


@pytest.mark.parametrize("display", [ReconstructionDisplay, ManifoldDisplay, LatentDisplay])
def test_rows_of_another_size(display, ae):
    with pytest.raises(ValueError, match="X has 64 features, but Autoencoder is expecting 4"):
        display.from_estimator(ae, digits)


def test_rows_that_come_back_in_another_size():
    halved = FunctionTransformer(inverse_func=lambda rows: rows[:, ::2]).fit(digits)
    message = r"half must give back rows like those of X, of the shape \(5, 64\). Got \(5, 32\)"
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator({"half": halved}, digits[:5])


def test_no_estimators():
    with pytest.raises(ValueError, match="estimator must hold at least one transformer. Got {}"):
        ReconstructionDisplay.from_estimator({}, digits)


@pytest.mark.parametrize("display", [ReconstructionDisplay, ManifoldDisplay])
def test_estimators_that_give_nothing_back(display):
    with pytest.raises(TypeError, match=r"must have inverse_transform. Got TSNE instead\.$"):
        display.from_estimator(TSNE(), digits)
    pipeline = make_pipeline("passthrough", Normalizer(), PCA(2)).fit(digits)
    message = "Got Pipeline instead, whose step 'normalizer' has none."
    with pytest.raises(TypeError, match=message):
        display.from_estimator(pipeline, digits)


def test_codes_of_estimators_without_transform_can_be_drawn_alone():
    message = r"must have transform. Got TSNE instead. LatentDisplay\(Z, y\).plot\(\) draws codes"
    with pytest.raises(TypeError, match=message):
        LatentDisplay.from_estimator(TSNE(), X)


def test_sparse_codes_are_drawn():
    sae = SparseAutoencoder(8, n_nonzero_coefs=3, sparse_output=True, max_iter=2, random_state=0)
    sae.fit(digits)
    offsets = LatentDisplay.from_estimator(sae, digits).ax_.collections[0].get_offsets()
    np.testing.assert_allclose(offsets, sae.transform(digits).toarray()[:, :2])
    assert ManifoldDisplay.from_estimator(sae, digits, n_images=3).images.shape[2:] == (8, 8)


@pytest.mark.parametrize(
    "components", [(0, 4), (-1, 0), (0,), (0, 1, 2), (2, 2), (0.0, 1.0), 1, "01", ("0", "1")]
)
def test_components_are_two_of_the_code_s(components):
    pca = PCA(4).fit(X)
    message = "components must be two different integers from 0 to 3. Got"
    with pytest.raises(ValueError, match=message):
        LatentDisplay.from_estimator(pca, X, components=components)
    with pytest.raises(ValueError, match=message):
        ManifoldDisplay.from_estimator(pca, X, components=components)


def test_components_of_codes_of_one_number():
    pca = PCA(1).fit(X)
    message = r"components=\(0, {}\) needs codes of two numbers at least. Got codes of one."
    with pytest.raises(ValueError, match=message.format(1)):
        ManifoldDisplay.from_estimator(pca, X)
    with pytest.raises(ValueError, match=message.format(2)):
        LatentDisplay.from_estimator(pca, X, components=(0, 2))


@pytest.mark.parametrize("limits", [(0, 1), ((1, 0), (0, 1)), ((0, 1), (0, 1), (0, 1))])
def test_limits_are_two_pairs(limits):
    with pytest.raises(ValueError, match="limits must be .*the lower one first. Got"):
        ManifoldDisplay.from_estimator(PCA(2).fit(digits), digits, limits=limits)


def test_codes_are_a_table_without_gaps():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        LatentDisplay(X[:, 0]).plot()
    with pytest.raises(ValueError, match="Input Z contains NaN"):
        LatentDisplay([[0.0, np.nan]]).plot()


def test_one_colour_for_each_row():
    pca = PCA(2).fit(X)
    message = "y must have one value for each of the 150 rows. Got 100 values instead."
    with pytest.raises(ValueError, match=message):
        LatentDisplay.from_estimator(pca, X, y[:100])
    with pytest.raises(ValueError, match=message):
        LatentDisplay.from_estimator(PCA(1).fit(X), X, y[:100])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        LatentDisplay.from_estimator(pca, X, np.where(y == 1, np.nan, y))
    with pytest.raises(ValueError, match="y should be a 1d array"):
        LatentDisplay.from_estimator(pca, X, X)
    column = LatentDisplay.from_estimator(pca, X, y[:, None])
    assert len(column.ax_.collections) == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda ae: make_pipeline(StandardScaler(), ae),
            TypeError,
            r"Got Pipeline instead. Pass its step: pipeline.named_steps\['autoencoder'\].$",
        ),
        (
            lambda ae: make_pipeline(ae, ae),
            TypeError,
            r"Pass one of its steps: pipeline.named_steps\['autoencoder-1'\] or pipeline",
        ),
        (lambda ae: make_pipeline(PCA()), TypeError, r"Got Pipeline instead\.$"),
        (
            lambda ae: GridSearchCV(ae, {"alpha": [0, 1]}),
            TypeError,
            r"Got GridSearchCV instead. Pass its best_estimator_\.$",
        ),
        (
            lambda ae: PCA(2).fit(X),
            TypeError,
            "estimator must have a loss for each epoch, as skae's autoencoders have. Got PCA inst",
        ),
        (
            lambda ae: GLGAE(n_nodes=4, max_iter=2).fit(X),
            TypeError,
            "Got GLGAE instead. Its objective after each pass is in objective_history_.",
        ),
        (lambda ae: Autoencoder(), NotFittedError, "This Autoencoder instance is not fitted yet"),
    ],
)
def test_estimators_without_losses(ae, make, error, message):
    with pytest.raises(error, match=message):
        LossCurveDisplay.from_estimator(make(ae))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: SparseAutoencoder(hidden_layer_sizes=(9,), max_iter=1).fit(X),
            TypeError,
            "must have components_, the atoms of a linear decoder. Got SparseAutoencoder instead",
        ),
        (lambda: VAE(max_iter=1).fit(X), TypeError, r"Got VAE instead\.$"),
        (
            lambda: make_pipeline(StandardScaler(), PCA(2)).fit(X),
            TypeError,
            r"Got Pipeline instead. Pass its step: pipeline.named_steps\['pca'\]\.$",
        ),
        (lambda: PCA(2), NotFittedError, "This PCA instance is not fitted yet"),
        (lambda: SparseAutoencoder(), NotFittedError, "This SparseAutoencoder instance is not"),
    ],
)
def test_estimators_without_atoms(make, error, message):
    with pytest.raises(error, match=message):
        DictionaryDisplay.from_estimator(make())


def test_numbers_of_columns():
    with pytest.raises(ValueError, match="n_columns == 0, must be >= 1"):
        DictionaryDisplay.from_estimator(PCA(4).fit(digits), n_columns=0)
    few = DictionaryDisplay.from_estimator(PCA(4).fit(digits)).image_.get_array()
    assert few.shape == (8, 35)


# What components explain, and what they mean


def test_a_scree_plot_has_the_shares_of_each_model():
    train, test = load_digits().data[:300], load_digits().data[300:400]
    ae = Autoencoder(4, ordered=True, max_iter=3, random_state=0).fit(train)
    pca = PCA(4).fit(train)
    display = ScreeDisplay.from_estimator({"ae": ae, "PCA": pca}, test)
    assert [line.get_label() for line in display.lines_] == [
        "ae, training",
        "ae, held out",
        "PCA, training",
        "PCA, held out",
    ]
    shares = np.cumsum(pca.explained_variance_ratio_)
    np.testing.assert_array_equal(display.train_shares["PCA"], shares)
    for model, name in ((ae, "ae"), (pca, "PCA")):
        left = np.square(test - model.inverse_transform(model.transform(test))).sum()
        whole = 1 - left / np.square(test - model.mean_).sum()
        assert display.held_out_shares[name][-1] == pytest.approx(whole, abs=1e-6)
    with pytest.raises(TypeError, match="ordered=True. Got Autoencoder"):
        ScreeDisplay.from_estimator(Autoencoder(2, max_iter=1).fit(train))


def test_loadings_are_drawn_of_the_strongest_features_by_name():
    X = load_digits(as_frame=True).data[:300]
    pca = PCA(2).fit(X)
    display = LoadingsDisplay.from_estimator(pca, n_top=3)
    relative = np.abs(pca.components_ / np.abs(pca.components_).max(axis=1, keepdims=True))
    strongest = np.argsort(-relative.max(axis=0))[:3]
    assert set(display.features_) == set(strongest)
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == [X.columns[i] for i in display.features_]
    ae = Autoencoder(3, max_iter=1, random_state=0).fit(X)
    drawn = LoadingsDisplay.from_estimator(ae)
    np.testing.assert_array_equal(drawn.loadings, ae.loadings_)
    assert len(drawn.features_) == 20
    with pytest.raises(ValueError, match="64 features"):
        LoadingsDisplay.from_estimator(ae, feature_names=["a"])
    with pytest.raises(TypeError, match="loadings_"):
        LoadingsDisplay.from_estimator(StandardScaler().fit(X))


def test_loadings_as_bars():
    """A bar up for each positive loading, down for each negative, as long as it is strong."""
    frame = load_iris(as_frame=True).data
    pca = PCA(2).fit(frame)
    display = LoadingsDisplay.from_estimator(pca, kind="bars", width=0.5)
    relative = pca.components_ / np.abs(pca.components_).max(axis=1, keepdims=True)
    low, high = display.ax_.get_ylim()
    for i, bars in enumerate(display.bars_):
        ends = np.array([bar.get_y() + bar.get_height() for bar in bars])
        upward = (i - ends) * np.sign(low - high)
        np.testing.assert_allclose(upward, 0.45 * relative[i], atol=1e-12)
        assert {bar.get_width() for bar in bars} == {0.5}
    assert display.image_ is None
    with pytest.raises(ValueError, match="'heatmap' or 'bars'. Got 'pie'"):
        LoadingsDisplay.from_estimator(pca, kind="pie")


def test_a_scree_plot_of_rows_needs_a_mean():
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(2).fit(digits)
    assert len(ScreeDisplay.from_estimator(svd).lines_) == 1
    with pytest.raises(TypeError, match=r"Got TruncatedSVD without mean_ instead: leave X out"):
        ScreeDisplay.from_estimator(svd, digits)


# What codes of methods are worth, by their size


def test_a_comparison_is_a_line_for_each_method_with_its_errors():
    models = {"PCA": PCA(), "scaled": make_pipeline(StandardScaler(), PCA())}
    table = compare(models, digits[:300], n_components=[16, 2, 4], cv=2, random_state=0)
    display = CompareDisplay.from_comparison(table, capsize=5)
    assert list(display.lines_) == ["PCA", "scaled"]
    for method, (line, _, (bars,)) in display.lines_.items():
        rows = table[table["method"] == method].sort_values("code_size")
        np.testing.assert_array_equal(line.get_xdata(), [2, 4, 16])
        np.testing.assert_allclose(line.get_ydata(), rows["explained_variance"])
        drawn = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(np.diff(drawn)[:, 0], 2 * rows["explained_variance_se"])
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["2", "4", "16"]
    assert display.ax_.get_xscale() == "log"
    columns = {name: table[name].to_numpy() for name in table}
    same = CompareDisplay.from_comparison(columns).lines_["scaled"][0].get_ydata()
    np.testing.assert_array_equal(same, display.lines_["scaled"][0].get_ydata())
    with pytest.raises(ValueError, match=r"metric must be one of \['explained_variance', 'expl"):
        CompareDisplay.from_comparison(table, metric="accuracy_linear")


def test_estimators_are_compared_by_the_metric_that_is_drawn():
    models = [("PCA", PCA()), ("scaled", make_pipeline(StandardScaler(), PCA()))]
    options = {"n_components": [1, 2], "cv": 3, "random_state": 0}
    metric = "accuracy_linear_difference"
    display = CompareDisplay.from_estimators(models, X, y, metric=metric, **options)
    table = compare(models, X, y, metrics=["accuracy_linear"], **options)
    assert list(display.comparison) == list(table)
    np.testing.assert_array_equal(display.lines_["scaled"][0].get_ydata(), table[metric][2:])
    assert display.ax_.get_xscale() == "linear"


# Rows too far from a model


def test_errors_and_the_share_above_a_quantile_of_rows_held_out():
    pca = PCA(2).fit(X[::2])
    new = X[:30, ::-1]
    display = ErrorDisplay.from_estimator(pca, X[1::2], X_train=X[::2], X_new=new, quantile=0.9)
    errors = {"training": X[::2], "held out": X[1::2], "new": new}
    assert list(display.errors) == list(errors)
    for kind, rows in errors.items():
        left = np.square(rows - pca.inverse_transform(pca.transform(rows))).sum(axis=1)
        np.testing.assert_allclose(display.errors[kind], left)
        assert display.flagged_[kind] == np.mean(left > display.threshold_)
    assert display.threshold_ == np.quantile(display.errors["held out"], 0.9)
    assert display.flagged_["new"] == 1
    bars = np.array([patch.get_xy()[:, 1].max() for patch in display.ax_.patches])
    assert len(bars) == 3
    assert (bars <= 1).all()
    labels = display.ax_.get_legend_handles_labels()[1]
    assert "new, 100.0% above" in labels


def test_errors_may_be_minus_log_likelihoods():
    pca = PCA(2).fit(X)
    display = ErrorDisplay.from_estimator(pca, X, response_method="score_samples")
    np.testing.assert_array_equal(display.errors["held out"], -pca.score_samples(X))
    heights = display.ax_.patches[0].get_xy()[:, 1]
    assert heights.max() < 1


def test_errors_beyond_the_axis_are_in_the_last_bar():
    scores = np.r_[np.linspace(0, 1, 98), 1e6, 1e6]
    display = ErrorDisplay({"held out": scores}, response_method="score_samples")
    counts = display.plot(histtype="bar").ax_.patches
    assert sum(bar.get_height() for bar in counts) == pytest.approx(1)
    assert counts[-1].get_height() >= 0.02
    ratios = ErrorDisplay({"held out": scores + 1}).plot()
    assert ratios.ax_.get_xscale() == "log"
    same = ErrorDisplay({"held out": np.ones(5)}).plot()
    assert same.flagged_ == {"held out": 0}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"response_method": "predict"}, ValueError, r"\['reconstruction_error', 'score_samples'"),
        ({"quantile": 1.5}, ValueError, "quantile == 1.5, must be <= 1"),
    ],
)
def test_errors_that_cannot_be_drawn(options, error, message):
    with pytest.raises(error, match=message):
        ErrorDisplay.from_estimator(PCA(2).fit(X), X, **options)
    with pytest.raises(TypeError, match="must have inverse_transform. Got TSNE instead"):
        ErrorDisplay.from_estimator(TSNE(), X)
    with pytest.raises(TypeError, match="must have score_samples. Got StandardScaler instead"):
        ErrorDisplay.from_estimator(StandardScaler(), X, response_method="score_samples")


# Codes over their prior


def test_codes_lie_over_draws_of_the_prior():
    vae = VAE(3, max_iter=2, random_state=0).fit(X)
    display = PriorDisplay.from_estimator(vae, X, y, components=(2, 0), n_draws=500)
    np.testing.assert_array_equal(display.Z_prior, vae.sample_prior(500))
    points = [group.get_offsets() for group in display.ax_.collections[1:]]
    np.testing.assert_allclose(np.concatenate(points), display.Z[:, [2, 0]])  # y is sorted
    mean, covariance = vae.posterior(X)
    noise = np.einsum(
        "nij,nj->ni", np.linalg.inv(np.linalg.cholesky(covariance)), display.Z - mean
    )
    assert abs(noise.mean()) < 4 / 450**0.5
    assert noise.std() == pytest.approx(1, abs=4 / 900**0.5)
    again = PriorDisplay.from_estimator(vae, X, y, components=(2, 0), n_draws=500)
    np.testing.assert_array_equal(again.Z, display.Z)
    other = PriorDisplay.from_estimator(vae, X, random_state=1, n_draws=500)
    assert not np.array_equal(other.Z, display.Z)
    assert not np.array_equal(other.Z_prior, display.Z_prior)


def test_the_regions_of_a_prior_hold_their_shares():
    """Of a standard normal distribution the smallest with a share p is a disc of radius
    sqrt(-2 log(1 - p)).
    """
    draws = np.random.default_rng(0).normal(size=(200_000, 2))
    display = PriorDisplay(X[:, :2], draws).plot()
    regions = display.ax_.collections[0]
    for path, share in zip(regions.get_paths(), (0.99, 0.9, 0.5), strict=True):
        radius = np.abs(path.vertices[:, 0]).max()
        assert radius == pytest.approx(np.sqrt(-2 * np.log(1 - share)), rel=0.08)
    assert region_levels(np.array([4.0, 3.0, 2.0, 1.0]), (1.0, 0.7, 0.4)) == [1, 3, 4]


def test_the_prior_of_codes_of_one_number_is_a_line():
    vae = VAE(1, max_iter=1, random_state=0).fit(X)
    display = PriorDisplay.from_estimator(vae, X, y)
    (line,) = display.ax_.lines
    across, density = line.get_data()
    bars = [patch for patch in display.ax_.patches if patch.get_height() > 0]
    area = sum(bar.get_height() * bar.get_width() for bar in bars)
    under = density.sum() * (across[1] - across[0])
    assert under == pytest.approx(150 * bars[0].get_width(), rel=0.01)
    assert area == pytest.approx(150 * bars[0].get_width())


def test_models_without_a_prior_are_refused(ae):
    with pytest.raises(TypeError, match=r"must have sample_prior, as VAE has. Got Autoencoder in"):
        PriorDisplay.from_estimator(ae, X)
    pipeline = make_pipeline(StandardScaler(), VAE(max_iter=1)).fit(X)
    with pytest.raises(TypeError, match=r"Pass its step: pipeline.named_steps\['vae'\]"):
        PriorDisplay.from_estimator(pipeline, X)


# Where points are moved


def test_arrows_lead_from_rows_to_their_reconstructions():
    pca = PCA(1).fit(X)
    limits = ((0.0, 4.0), (1.0, 2.0))
    display = VectorFieldDisplay.from_estimator(
        pca, X, components=(1, 3), limits=limits, n_arrows=4
    )
    across, up = display.grid
    assert (across[0], across[-1], up[0], up[-1]) == (0, 4, 1, 2)
    place = X.mean(axis=0)
    place[[1, 3]] = across[7], up[12]
    moved = pca.inverse_transform(pca.transform([place]))[0] - place
    np.testing.assert_allclose(display.field[12, 7], moved[[1, 3]])
    assert display.arrows_.N == 16
    # an arrow stands in its place, and has the direction of the field
    k = np.flatnonzero((display.arrows_.X == across[7]) & (display.arrows_.Y == up[12])).item()
    arrow = display.arrows_.U[k], display.arrows_.V[k]
    assert np.cross([*arrow, 0], [*moved[[1, 3]], 0])[2] == pytest.approx(0, abs=1e-12)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x1", "x3")
    np.testing.assert_array_equal(display.ax_.collections[1].get_offsets(), X[:, [1, 3]])


def test_arrows_of_codes_lead_to_the_codes_of_what_they_decode_to(ae):
    display = VectorFieldDisplay.from_estimator(ae, X, plane="codes", n_arrows=2)
    z = np.array([[display.grid[0][3], display.grid[1][9]]])
    moved = ae.transform(ae.inverse_transform(z)) - z
    np.testing.assert_allclose(display.field[9, 3], moved[0], atol=1e-6)
    Z = ae.transform(X)
    np.testing.assert_allclose(display.ax_.collections[1].get_offsets(), Z)
    assert display.ax_.get_xlabel() == "code 0"


@pytest.mark.filterwarnings("error")
def test_a_field_that_is_zero_can_be_drawn():
    frame = load_iris(as_frame=True).data.iloc[:, :2]
    display = VectorFieldDisplay.from_estimator(PCA(2).fit(frame), frame)
    assert np.abs(display.field).max() < 1e-9
    assert display.ax_.get_xlabel() == "sepal length (cm)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plane": "pixels"}, "plane must be 'features' or 'codes'. Got 'pixels'"),
        ({"components": (0, 4)}, "components must be two different integers from 0 to 3"),
        ({"plane": "codes"}, r"components=\(0, 1\) needs codes of two numbers at least"),
        ({"n_arrows": 1}, "n_arrows == 1, must be >= 2"),
        ({"limits": (0, 1)}, "limits must be .*the lower one first"),
    ],
)
def test_planes_that_cannot_be_drawn(options, message):
    with pytest.raises(ValueError, match=message):
        VectorFieldDisplay.from_estimator(PCA(1).fit(X), X, **options)
    with pytest.raises(ValueError, match=r"\(0, 1\) needs two features at least. Got one"):
        VectorFieldDisplay.from_estimator(PCA(1).fit(X[:, :1]), X[:, :1])


# What is given to displays themselves

EYE, THREE, IMAGES = np.eye(3), np.arange(1.0, 4), np.zeros((2, 3, 8, 8))
COLUMNS = {"method": ["a"], "code_size": [2], "score": [1.0], "score_se": [0.1]}
WRONG = {
    "errors: no dict": (lambda: ErrorDisplay(THREE), "errors must be a dict"),
    "errors: empty dict": (lambda: ErrorDisplay({}), "errors must be a dict .*Got {}"),
    "errors: none held out": (lambda: ErrorDisplay({"new": THREE}), r"'held out'.*Got \['new'\]"),
    "errors: no rows": (lambda: ErrorDisplay({"held out": []}), r"errors\['held out'\] must be"),
    "errors: no new rows": (
        lambda: ErrorDisplay({"held out": THREE, "new": []}),
        r"errors\['new'\] must be.*\(0,\)",
    ),
    "errors: NaN": (
        lambda: ErrorDisplay({"held out": [1.0, np.nan]}),
        r"errors\['held out'\] contains NaN in 1 of 2",
    ),
    "errors: text": (lambda: ErrorDisplay({"held out": "abc"}), r"errors\['held out'\] must be"),
    "loadings: few names": (
        lambda: LoadingsDisplay(EYE, ["a"]),
        "feature_names must hold a name for each of 3 features. Got 1",
    ),
    "loadings: no names": (lambda: LoadingsDisplay(EYE, None), "feature_names must hold"),
    "loadings: many names": (lambda: LoadingsDisplay(EYE, list("abcd")), "Got 4"),
    "loadings: none": (lambda: LoadingsDisplay([], []), r"loadings must be.*Got the shape \(0,\)"),
    "loadings: one": (lambda: LoadingsDisplay(THREE, list("abc")), r"loadings must be.*\(3,\)"),
    "dictionary: nothing": (lambda: DictionaryDisplay([]), r"images must be.*Got the shape \(0,"),
    "dictionary: no image": (lambda: DictionaryDisplay(IMAGES[0, :0]), r"\(0, 8, 8\)"),
    "dictionary: rows": (lambda: DictionaryDisplay(np.zeros((3, 64))), r"\(3, 64\)"),
    "dictionary: colours": (lambda: DictionaryDisplay(np.zeros((3, 8, 8, 2))), "width, 3"),
    "scree: nothing": (lambda: ScreeDisplay({}), "train_shares must be a dict"),
    "scree: no dict": (lambda: ScreeDisplay(THREE), "train_shares must be a dict.*ndarray"),
    "scree: a number": (lambda: ScreeDisplay({"a": 2.0}), r"train_shares\['a'\] must be"),
    "scree: other keys": (
        lambda: ScreeDisplay({"a": THREE}, {"b": THREE}),
        r"held_out_shares must have the names of train_shares, \['a'\]. Got \['b'\]",
    ),
    "scree: a key too many": (
        lambda: ScreeDisplay({"a": THREE}, {"a": THREE, "b": THREE}),
        "held_out_shares must have",
    ),
    "scree: no key": (lambda: ScreeDisplay({"a": THREE}, {}), "held_out_shares must be a dict"),
    "losses: None": (lambda: LossCurveDisplay(None), "train_loss must be"),
    "losses: a number": (lambda: LossCurveDisplay(THREE, 2.0), "validation_loss must be"),
    "losses: a term": (
        lambda: LossCurveDisplay(THREE, terms={"a": THREE, "b": 2}),
        r"terms\['b'\] must be",
    ),
    "codes: labels of two types": (
        lambda: LatentDisplay(EYE, np.array(["a", None, "b"], dtype=object)),
        "y must hold classes of one type.*NoneType, str",
    ),
    "prior: few columns": (
        lambda: PriorDisplay(EYE, EYE[:, :2]),
        "Z_prior.*3 columns of Z. Got 2",
    ),
    "prior: of one number": (lambda: PriorDisplay(EYE[:, :1], EYE), "1 columns of Z. Got 3"),
    "images: few names": (lambda: ReconstructionDisplay(IMAGES, ["a"]), "row_names must.*Got 1"),
    "images: none": (lambda: ReconstructionDisplay(IMAGES[:, :0], ["a", "b"]), "images must be"),
    "images: no rows": (lambda: ReconstructionDisplay(IMAGES[:0], []), "images must be"),
    "images: rows": (lambda: ReconstructionDisplay(EYE, list("abc")), r"images.*\(3, 3\)"),
    "manifold: few centers": (
        lambda: ManifoldDisplay(IMAGES, (THREE, THREE)),
        r"centers\[1\] must be.*\(2,\).*\(3,\)",
    ),
    "manifold: one axis": (lambda: ManifoldDisplay(IMAGES, (THREE,)), "centers must be two"),
    "manifold: one image": (
        lambda: ManifoldDisplay(IMAGES[:1, :1], ([1.0], [1.0])),
        "centers must be two arrays.*at least two",
    ),
    "manifold: components": (
        lambda: ManifoldDisplay(IMAGES, (THREE, THREE[:2]), components=3),
        "components must be two different integers",
    ),
    "field: no field": (lambda: VectorFieldDisplay((THREE, THREE), EYE), "field must be"),
    "field: grid": (
        lambda: VectorFieldDisplay((THREE, THREE), np.zeros((3, 2, 2))),
        r"grid\[0\] must be",
    ),
    "field: empty": (lambda: VectorFieldDisplay(([], []), np.zeros((0, 0, 2))), "field must be"),
    "field: points": (
        lambda: VectorFieldDisplay((THREE, THREE), np.zeros((3, 3, 2)), EYE),
        r"points must be.*\(n_samples, 2\)",
    ),
    "field: names": (
        lambda: VectorFieldDisplay((THREE, THREE), np.zeros((3, 3, 2)), names=["a"]),
        "names must hold",
    ),
    "comparison: nothing": (lambda: CompareDisplay({}), "comparison must be a table"),
    "comparison: a column": (
        lambda: CompareDisplay({k: v for k, v in COLUMNS.items() if k != "code_size"}),
        "without .*code_size",
    ),
    "comparison: no rows": (
        lambda: CompareDisplay({key: [] for key in COLUMNS}, metric="score"),
        "comparison must be a table.*without rows",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_displays_cannot_draw_is_a_value_error_that_names_it(name):
    make, words = WRONG[name]
    n_figures = len(plt.get_fignums())
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make().plot()
    assert len(plt.get_fignums()) == n_figures  # no empty picture is left


def test_objects_that_have_an_order_are_classes():
    display = LatentDisplay(EYE, np.array([1, 2.5, True], dtype=object)).plot()
    assert len(display.ax_.get_legend_handles_labels()[1]) == 2  # True is 1


def test_lists_will_do_where_arrays_do():
    grid = list(range(10)), list(range(10))
    field = np.random.default_rng(0).normal(size=(10, 10, 2)).tolist()
    assert VectorFieldDisplay(grid, field).plot().figure_ is not None
    assert ReconstructionDisplay(IMAGES.tolist(), ["a", "b"]).plot().image_ is not None
    assert LossCurveDisplay([]).plot().lines_ is not None  # of a fit that was interrupted at once


def test_no_kind_of_rows_and_no_term_is_left_out():
    kinds = {"held out": THREE, **{f"kind {i}": THREE for i in range(9)}}
    display = ErrorDisplay(kinds).plot()
    assert len(display.ax_.get_legend_handles_labels()[1]) == 11  # the threshold, too
    display = LossCurveDisplay(THREE, terms={f"term {i}": THREE for i in range(8)}).plot()
    assert len(display.lines_) == 9


def test_held_out_rows_of_a_scree_are_checked():
    pca = PCA(2).fit(X)
    for rows, words in ((X[:, :3], "X has 3 features, but PCA is expecting"), (X[:0], "0 sample")):
        with pytest.raises(ValueError, match=words):
            ScreeDisplay.from_estimator(pca, rows)
    at_the_mean = ScreeDisplay.from_estimator(pca, np.tile(pca.mean_, (5, 1)))
    np.testing.assert_array_equal(at_the_mean.held_out_shares["PCA"], 0)
