"""Convolutional networks: shapes, what they compute, recipes as parameters, images as bytes."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch.nn import functional as F

import skae
from skae import (
    GLGAE,
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.data.sources import RowsOnHost
from skae.data.tables import Bytes
from skae.display import ManifoldDisplay, ReconstructionDisplay
from skae.estimator.preparation import to_rows
from skae.exceptions import ParameterWarning, StartKeptWarning
from skae.metrics import explained_variance
from skae.networks import Conv

X, y = load_digits(return_X_y=True)
X, y = X[:400], y[:400]
SMALL = Conv((8, 8), channels=(6, 8))
SHORT = {"max_iter": 2, "random_state": 0}
NETWORKED = [
    AdversarialAutoencoder,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VAE,
]


# The networks


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (9, 8, 3), (28, 28), (2, 1, 4)])
@pytest.mark.parametrize("channels", [(3,), (4, 5), (2, 3, 4)])
def test_any_size_of_image(shape, channels):
    d, conv = int(np.prod(shape)), Conv(shape, channels=channels)
    encoder = conv.make_encoder(d, 3, generator=None)
    decoder = conv.make_decoder(3, d, generator=None)
    x = torch.randn(4, d)
    assert encoder(x).shape == (4, 3)
    assert decoder(encoder(x)).shape == (4, d)


def test_pixels_lie_as_in_a_raveled_image():
    """With one level and no block an encoder is a convolution with a stride, and a matrix."""
    images = np.random.default_rng(0).normal(size=(3, 5, 4, 2)).astype(np.float32)
    encoder = Conv((5, 4, 2), channels=3, n_blocks=0, activation="tanh")(40, 6)
    down, head = encoder.down[0], encoder.head
    pictures = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    h = torch.tanh(F.conv2d(pictures, down.weight, down.bias, stride=2, padding=1))
    expected = h.permute(0, 2, 3, 1).reshape(3, -1) @ head.weight.T + head.bias
    torch.testing.assert_close(encoder(torch.from_numpy(images.reshape(3, -1))), expected)


def test_a_decoder_is_made_of_transposed_convolutions():
    decoder = Conv((5, 3), channels=4, n_blocks=0, activation="identity")(2, 15)
    z = torch.randn(6, 2)
    h = decoder.stem(z).reshape(6, 3, 2, 4).permute(0, 3, 1, 2)
    pictures = F.conv_transpose2d(h, decoder.up[0].weight, stride=2, padding=1)[:, :, :5, :3]
    torch.testing.assert_close(decoder(z), pictures.flatten(1) + decoder.bias)


def test_a_transposed_convolution_does_what_enlarging_and_a_convolution_do():
    """Each 2 x 2 of the kernel holds the sums of the 3 x 3 that meet in one pixel."""
    kernel, h = torch.randn(1, 1, 3, 3), torch.randn(2, 1, 4, 4)
    enlarged = F.conv2d(F.interpolate(h, scale_factor=2), kernel, padding=1)
    sums = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    up = (sums @ kernel[0, 0] @ sums.T)[None, None]
    torch.testing.assert_close(F.conv_transpose2d(h, up, stride=2, padding=1), enlarged)


def test_a_condition_shifts_channels():
    model = ConditionalVAE(2, encoder=SMALL, **SHORT).fit(X, condition=y)
    encoder = model.module_.encoder
    assert [shift.weight.shape for shift in encoder.shifts] == [(6, 10), (8, 10)]
    Z = model.transform(X, condition=y)
    with torch.no_grad():
        for parameter in (encoder.path, *encoder.shifts):
            parameter.weight[..., -10:] = 0
    other = model.transform(X, condition=(y + 1) % 10)
    np.testing.assert_allclose(model.transform(X, condition=y), other, atol=1e-5)
    assert np.abs(Z - other).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_alone_has_the_code_that_it_has_among_others(dtype):
    model = Autoencoder(4, encoder=SMALL, dtype=dtype, **SHORT).fit(X)
    rows = X.astype(dtype)
    alone = np.vstack([model.transform(rows[i : i + 1]) for i in range(20)])
    tolerance = 1e-6 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(alone, model.transform(rows)[:20], atol=tolerance)


# The start and the fit


@pytest.mark.parametrize("kind", NETWORKED)
def test_every_estimator_takes_them(kind):
    params = {"tied_weights": False} if kind is ContractiveAutoencoder else {}
    model = kind(4, encoder=SMALL, **params, **SHORT).fit(X)
    assert type(model.module_.encoder).__name__ == "ConvEncoder"
    assert type(model.module_.decoder).__name__ == "ConvDecoder"
    assert model.inverse_transform(model.transform(X[:3])).shape == (3, 64)
    assert model.sample(2, random_state=0).shape == (2, 64)


@pytest.mark.parametrize("epochs", [1, 3])
def test_never_worse_than_pca(epochs):
    model = Autoencoder(5, encoder=SMALL, max_iter=epochs, random_state=0).fit(X)
    assert explained_variance(model, X) >= explained_variance(PCA(5).fit(X), X) - 1e-6


def test_they_start_at_pca():
    encoder = SMALL.make_encoder(64, 3, linear_path=True, generator=None)
    decoder = SMALL.make_decoder(3, 64, linear_path=True, generator=None)
    pca, rows = PCA(3).fit(X), torch.from_numpy(X).float()
    components, mean = (torch.from_numpy(a).float() for a in (pca.components_, pca.mean_))
    encoder.start_linear(components)
    encoder.start_bias(-components @ mean)
    decoder.start_linear(components.T)
    decoder.start_bias(mean)
    expected = pca.inverse_transform(pca.transform(X))
    np.testing.assert_allclose(decoder(encoder(rows)).detach(), expected, atol=1e-4)


def test_a_few_images_are_enough_to_learn_from():
    held_out = load_digits().data[400:800]
    conv = Autoencoder(8, encoder=SMALL, alpha=0.1, max_iter=30, random_state=0).fit(X)
    assert explained_variance(conv, held_out) > explained_variance(PCA(8).fit(X), held_out) + 0.02


def test_a_fit_is_the_same_twice():
    first, second = (VAE(2, encoder=SMALL, **SHORT).fit(X).transform(X) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_a_decoder_alone():
    model = Autoencoder(3, decoder=SMALL, **SHORT).fit(X)
    assert type(model.module_.encoder).__name__ == "MLP"
    assert type(model.module_.decoder).__name__ == "ConvDecoder"


def test_as_a_plain_factory():
    """Without a recipe nothing is known of them: they are networks of the user's."""
    factory = {"encoder": lambda n, k: SMALL(n, k), "decoder": lambda k, n: SMALL(k, n)}
    model = Autoencoder(3, **factory, **SHORT).fit(X)
    assert model.module_.encoder.path is None
    assert not model.module_.encoder.built_in


def test_ordered_codes_and_a_size_by_a_share_of_the_variance():
    params = {"encoder": SMALL, "ordered": True, "alpha": 0.1, "max_iter": 6, "random_state": 0}
    model = Autoencoder(0.7, **params).fit(X)
    shares = model.explained_variance_ratio_.cumsum()
    assert shares[-1] >= 0.7 > shares[-2]
    assert model.transform(X).shape == (len(X), model.n_components_)
    assert explained_variance(model, X) == pytest.approx(shares[-1], abs=1e-4)
    assert model.module_.decoder.path.weight.shape == (64, model.n_components_)


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_a_subclass_may_put_a_decoder_of_its_own_beside_a_linear_path(kind):
    class Wrapped(kind):
        def _make_networks(self, n_features, generator):
            encoder, decoder = super()._make_networks(n_features, generator)
            return encoder, torch.nn.Sequential(decoder)

    assert Wrapped(2, **SHORT).fit(X).transform(X).shape == (len(X), 2)


@pytest.mark.cpu
def test_a_start_that_is_kept_advises_on_the_recipe():
    with pytest.warns(StartKeptWarning, match="or a smaller encoder"):
        Autoencoder(2, encoder=SMALL, learning_rate_init=1e-9, **SHORT).fit(X)


# The recipe as a parameter


def test_a_grid_over_channels():
    grid = {"encoder__channels": [(3,), (3, 4)], "encoder__n_blocks": [0, 1]}
    search = GridSearchCV(Autoencoder(2, encoder=SMALL, **SHORT), grid, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert SMALL.channels == (6, 8)


def test_a_recipe_that_is_changed_later_does_not_change_the_model():
    conv = clone(SMALL)
    model = Autoencoder(2, encoder=conv, **SHORT).fit(X)
    Z, saved = model.transform(X), pickle.dumps(model)
    conv.set_params(channels=(2,))
    assert (model.transform(X) == Z).all()
    assert (pickle.loads(saved).transform(X) == Z).all()
    assert (pickle.loads(pickle.dumps(model)).transform(X) == Z).all()
    with pytest.raises(ValueError, match="was built, with encoder|has built, with encoder"):
        model.set_params(warm_start=True).fit(X)
    model.set_params(encoder=clone(SMALL)).fit(X)  # another one that says the same


def test_a_file_holds_the_recipe(tmp_path):
    model = Autoencoder(2, encoder=SMALL, **SHORT).fit(X)
    model.save(tmp_path / "conv.skae")
    loaded = skae.load(tmp_path / "conv.skae")
    assert loaded.encoder.get_params() == SMALL.get_params()
    assert (loaded.transform(X) == model.transform(X)).all()


@pytest.mark.parametrize(
    ("conv", "error", "words"),
    [
        (Conv((28, 28)), ValueError, r"rows with 784 numbers. Got rows with 64, such as .*8, 8"),
        (Conv, TypeError, r"an instance of a recipe, Conv\(...\)"),
        (Conv((8,)), ValueError, "image_shape must be"),
        (Conv((8, 8.0)), ValueError, "image_shape must be"),
        (Conv((8, 8), channels=()), ValueError, "channels must be"),
        (Conv((8, 8), channels=(4, 0)), ValueError, "channels must be"),
        (Conv((8, 8), n_blocks=-1), ValueError, "n_blocks"),
        (Conv((8, 8), activation="swish"), ValueError, "activation"),
        (Conv("8x8"), ValueError, "image_shape"),
    ],
)
def test_what_cannot_be_built_is_refused(conv, error, words):
    with pytest.raises(error, match=words):
        Autoencoder(2, encoder=conv, **SHORT).fit(X)


def test_what_has_no_effect_beside_them_is_said():
    with pytest.warns(ParameterWarning, match="hidden_layer_sizes.*needs a built-in perceptron"):
        Autoencoder(2, encoder=SMALL, hidden_layer_sizes=(9,), **SHORT).fit(X)
    with pytest.raises(ValueError, match="tied_weights=True is for built-in perceptrons"):
        Autoencoder(2, encoder=SMALL, tied_weights=True, **SHORT).fit(X)


# Images


def test_images_of_more_dimensions_are_told_what_to_do():
    with pytest.raises(ValueError, match=r"reshape\(len\(X\), -1\).*Conv\(\(8, 8\)\)"):
        Autoencoder().fit(load_digits().images)


def test_displays_know_the_shape():
    pictures = np.random.default_rng(0).random((60, 4 * 6))
    model = make_pipeline(Autoencoder(2, encoder=Conv((4, 6), channels=3), **SHORT)).fit(pictures)
    display = ReconstructionDisplay.from_estimator(model, pictures[:3])
    assert display.images.shape[-2:] == (4, 6)
    assert ManifoldDisplay.from_estimator(model[0], pictures, n_images=2).images.shape[-2:] == (
        4,
        6,
    )


@pytest.mark.parametrize("kind", [*NETWORKED, ConditionalVAE, GLGAE])
def test_bytes_are_single_precision_when_they_are_read(kind):
    params = {"random_state": 0, "max_iter": 2}
    given = {"condition": y} if kind is ConditionalVAE else {}
    pixels = X.astype(np.uint8)
    of_bytes = kind(**params).fit(pixels, **given)
    of_floats = kind(**params).fit(pixels.astype(np.float32), **given)
    Z = of_bytes.transform(pixels, **given)
    assert Z.dtype == np.float32
    assert (of_floats.transform(pixels.astype(np.float32), **given) == Z).all()


@pytest.mark.cpu
def test_many_bytes_stay_bytes():
    pixels = np.zeros((50_000, 100), np.uint8)
    pixels[:, 0] = np.arange(50_000) % 256
    model = Autoencoder(1, hidden_layer_sizes=(), **SHORT).fit(pixels[:300])
    rows, _ = to_rows(model, Bytes(pixels), None)
    assert isinstance(rows, RowsOnHost)
    assert np.shares_memory(rows.X.X, pixels)
    units = (pixels[:4].astype(np.float32) - model.mean_) / model.scale_
    np.testing.assert_allclose(rows.span(slice(0, 4)), units, rtol=1e-6, atol=1e-6)


def test_bytes_out_of_range_say_what_to_divide_by():
    pixels = (X / 16 * 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"X / np.float32\(255\)"):
        VAE(2, likelihood="bernoulli", **SHORT).fit(pixels)
    VAE(2, likelihood="bernoulli", **SHORT).fit(pixels / np.float32(255))
