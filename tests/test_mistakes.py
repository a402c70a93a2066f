"""Typical mistakes: each ends in words that name what was given, what came and what to do.

A line is what a user writes, and what the answer must say. ``python tests/test_mistakes.py``
prints them all with their answers, to be read through.
"""

# ruff: noqa: F401  the names are those of the lines below
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping
from torch import nn

import skae
from skae.exceptions import StartKeptWarning
from skae.metrics import explained_variance, maximum_mean_discrepancy

X, y = load_iris(return_X_y=True)
U = X / 8
frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
mixed = frame.assign(kind=np.where(y == 0, "small", "large"))
images = np.zeros((20, 8, 8))
holes = np.where(np.eye(150, 4, dtype=bool), np.nan, X)


def _quick(cls):
    """Let a class train for two epochs unless it is told otherwise."""

    def make(*args, **kwargs):
        return cls(*args, **{"max_iter": 2, "random_state": 0, **kwargs})

    return make


def _fitted(cls, **kwargs):
    return _quick(cls)(**kwargs).fit(X)


class NoArguments(nn.Module):
    def __init__(self):
        super().__init__()


class TwoInputs(nn.Linear):
    def forward(self, x, c):
        return super().forward(x) + c


PUBLIC = {name: getattr(skae, name) for name in skae.__all__ if name[0].isupper()}
NAMES = {
    **globals(),
    **{name: _quick(cls) for name, cls in PUBLIC.items()},
    "Conv": skae.networks.Conv,
    "ae": _fitted(skae.Autoencoder),
    "imputer": skae.Imputer(random_state=0).fit(X),
    "sae": _fitted(skae.SparseAutoencoder),
    "dae": _fitted(skae.DenoisingAutoencoder),
    "cae": _fitted(skae.ContractiveAutoencoder),
    "vae": _fitted(skae.VAE),
    "aae": _fitted(skae.AdversarialAutoencoder),
    "glgae": _fitted(skae.GLGAE),
    "cvae": _quick(skae.ConditionalVAE)().fit(X, condition=y),
    "plain": _quick(skae.ConditionalVAE)().fit(X),
    "columns": _quick(skae.ConditionalVAE)(condition_features=["a"]).fit(frame),
}

MISTAKES = {
    "any of them: data": [
        ("Autoencoder().fit(images)", "X", "(20, 8, 8)", "reshape(len(X), -1)"),
        ("GLGAE().fit(images)", "X", "(20, 8, 8)", "reshape(len(X), -1)"),
        ("ae.transform(X[0])", "1D", "reshape(1, -1)"),
        ("Autoencoder().fit(holes)", "X", "NaN", "imput"),
        ("VAE(ordered=True).fit(holes)", "X", "NaN", "ordered", "Imputer"),
        ("VAE().fit(np.column_stack([X, X[:, 0] + np.nan]))", "NaN", "4", "leave them out"),
        ("_fitted_on_frame.transform(frame * np.inf)", "infinity"),
        ("Autoencoder().fit(X[:1])", "1 sample", "minimum of 2"),
        ("Autoencoder().fit(X[:0])", "0 sample", "minimum of 2"),
        ("Autoencoder().fit(mixed)", "X", "kind", "OneHotEncoder"),
        ("GLGAE().fit(np.where(X > 3, 'big', 'small'))", "X", "small", "OneHotEncoder"),
        ("Autoencoder().fit(X * 1j)", "Complex data"),
        ("Autoencoder().fit(None)", "X", "None"),
        ("ae.transform(X[:, :3])", "3 features", "expecting 4"),
        ("_fitted_on_frame.transform(frame[['b', 'a', 'c', 'd']])", "feature names", "order"),
        ("_fitted_on_frame.transform(frame.rename(columns={'a': 'A'}))", "feature names", "A"),
        (
            "ae.inverse_transform(X)",
            "inverse_transform",
            "4 features",
            "expecting 2",
            "reconstruct",
        ),
        ("ae.reconstruct(ae.transform(X))", "2 features", "expecting 4", "inverse_transform"),
        ("DenoisingAutoencoder().fit(X + 1, X)", "y is ignored", "fit on"),
        ("GLGAE().fit(X + 1, X)", "y is ignored"),
        ("Autoencoder(random_state=np.random.default_rng(0)).fit(X)", "random_state", "Generator"),
        ("ae.transform(images)", "(20, 8, 8)", "reshape(len(X), -1)"),
        ("Autoencoder().fit(X, sample_weight=np.ones(10))", "sample_weight", "10", "150"),
        ("Autoencoder().fit(X, sample_weight=-np.ones(150))", "sample_weight", "egative"),
        ("Autoencoder().fit(X, sample_weight=np.zeros(150))", "ample weights", "non-zero"),
    ],
    "any of them: in the wrong order, or to the wrong place": [
        ("skae.Autoencoder().transform(X)", "Autoencoder", "not fitted", "'fit'"),
        ("skae.VAE().sample()", "VAE", "not fitted", "'fit'"),
        ("skae.GLGAE().score(X)", "GLGAE", "not fitted", "'fit'"),
        ("ae.sample(0)", "n_samples", "0", "1"),
        ("ae.sample('5')", "n_samples", "str"),
        ("ae.sample(X)", "n_samples", "ndarray"),
        ("Autoencoder().set_params(lr=0.1)", "lr", "learning_rate_init"),
        ("Autoencoder(early_stopping=True).partial_fit(X)", "partial_fit", "early_stopping"),
        (
            "clone(ae).partial_fit(X).set_params(hidden_layer_sizes=(3,)).partial_fit(X)",
            "hidden_layer_sizes",
            "(3,)",
        ),
        ("Autoencoder(warm_start=True).fit(X).fit(X[:, :3])", "3 features", "4", "warm_start"),
        (
            "Autoencoder(warm_start=True).fit(X).set_params(n_components=3).fit(X)",
            "n_components",
            "3",
            "warm_start",
        ),
        (
            "make_pipeline(Autoencoder(), LogisticRegression()).fit(X, y, sample_weight=y)",
            "sample_weight",
        ),
        (
            "GridSearchCV(Autoencoder(), {'n_component': [1]}).fit(X)",
            "n_component",
            "n_components",
        ),
        (
            "explained_variance(LogisticRegression(max_iter=1000).fit(X, y), X)",
            "inverse_transform",
            "LogisticRegression",
        ),
        ("explained_variance(PCA(), X)", "PCA", "not fitted"),
        ("maximum_mean_discrepancy(X, X[:, :2])", "columns", "4", "2"),
    ],
    "Autoencoder": [
        ("Autoencoder(latent_dim=2)", "latent_dim", "did you mean", "n_components"),
        ("Autoencoder(100).fit(X)", "n_components=100", "4 columns", "Set n_components to 4"),
        ("Autoencoder(0).fit(X)", "n_components", "0", "[1, inf)"),
        ("Autoencoder(0.95).fit(X)", "n_components", "0.95", "PCA(0.95)"),
        ("Autoencoder('auto').fit(X)", "n_components", "'auto'", "int"),
        ("Autoencoder(hidden_layer_sizes=(64, 0)).fit(X)", "hidden_layer_sizes", "(64, 0)"),
        ("Autoencoder(hidden_layer_sizes='64').fit(X)", "hidden_layer_sizes", "'64'"),
        ("Autoencoder(activation='Relu').fit(X)", "activation", "'Relu'", "'relu'"),
        ("Autoencoder(activation=nn.ReLU()).fit(X)", "activation", "ReLU()", "'relu'"),
        ("Autoencoder(output_activation='softmax').fit(X)", "output_activation", "softmax"),
        ("Autoencoder(likelihood='mse').fit(X)", "likelihood", "'mse'", "'gaussian'"),
        ("Autoencoder(likelihood='bernoulli').fit(X)", "bernoulli", "[0, 1]", "0.1 to 7.9"),
        (
            "Autoencoder(output_activation='sigmoid').fit(StandardScaler().fit_transform(X))",
            "output_activation='sigmoid'",
            "[0, 1]",
        ),
        (
            "Autoencoder(likelihood='bernoulli', output_activation='sigmoid').fit(U)",
            "likelihood",
            "output_activation",
            "'identity'",
        ),
        ("Autoencoder(tied_weights=True, encoder=nn.Linear).fit(X)", "tied_weights", "encoder"),
        ("Autoencoder(linear_path=True, decoder=nn.Linear).fit(X)", "linear_path", "decoder"),
        (
            "Autoencoder(encoder=nn.Linear(9, 2)).fit(X)",
            "encoder",
            "rows of 4 numbers",
            "2 numbers, n_components",
        ),
        ("Autoencoder(encoder=NoArguments).fit(X)", "encoder", "encoder(4, 2)"),
        (
            "Autoencoder(decoder=TwoInputs).fit(X)",
            "decoder",
            "rows of 2 numbers",
            "4 numbers, the features",
        ),
        ("Autoencoder(encoder=nn.Sequential).fit(X)", "encoder", "encoder(4, 2)"),
        ("Autoencoder(encoder=nn.ReLU()).fit(X)", "encoder", "2 numbers, n_components", "(2, 4)"),
        ("Autoencoder(encoder='mlp').fit(X)", "encoder", "'mlp'", "callable"),
        ("Autoencoder(encoder=lambda n_in, n_out: None).fit(X)", "encoder", "Got None"),
        ("Autoencoder(optimizer='Adam').fit(X)", "optimizer", "'Adam'", "'adam'"),
        ("Autoencoder(learning_rate_init=0).fit(X)", "learning_rate_init", "0"),
        ("Autoencoder(learning_rate=0.01).fit(X)", "learning_rate", "0.01", "'cosine'"),
        ("Autoencoder(batch_size=0).fit(X)", "batch_size", "0", "'auto'"),
        ("Autoencoder(max_iter=0).fit(X)", "max_iter", "0"),
        (
            "Autoencoder(early_stopping=True, validation_fraction=1).fit(X)",
            "validation_fraction",
            "1",
        ),
        ("Autoencoder(early_stopping=True).fit(X[:2])", "validation_fraction", "1 of 2"),
        ("Autoencoder(callbacks=EarlyStopping()).fit(X)", "callbacks", "list"),
        (
            "Autoencoder(callbacks=[EarlyStopping()]).fit(X)",
            "EarlyStopping",
            "valid_loss",
            "early_stopping=True",
        ),
        ("Autoencoder(device='gpu').fit(X)", "device", "'gpu'", "'cuda'"),
        ("Autoencoder(device='cuda:7').fit(X)", "device", "cuda:7", "'auto'"),
        ("Autoencoder(dtype='float16').fit(X)", "dtype", "'float16'", "'float32'"),
        ("Autoencoder(distributed=True).fit(X)", "distributed=True", "init_process", "torchrun"),
        ("Autoencoder(distributed=2).fit(X)", "distributed", "2", "bool"),
        ("skae.distributed.shard(['a.npy'], rank=1, n_ranks=2)", "source", "files", "rank 1"),
        ("Autoencoder(random_state='zero').fit(X)", "random_state", "'zero'"),
        ("Autoencoder(scaling='minmax').fit(X)", "scaling", "'minmax'", "'standard'"),
        ("Autoencoder(alpha=-1).fit(X)", "alpha", "-1"),
        ("Autoencoder(dropout=1.0).fit(X)", "dropout", "1.0"),
        (
            "Autoencoder(learning_rate_init=1e6, linear_path=False).fit(X)",
            "loss",
            "learning_rate_init",
        ),
        ("ae.interpolate(X[0, :2], X[1, :2])", "x0", "2 features", "expecting 4"),
        ("ae.interpolate(X[0], X[1], n_steps=1)", "n_steps", "1", "2"),
    ],
    "SparseAutoencoder": [
        ("SparseAutoencoder(sparsity='l2').fit(X)", "sparsity", "'l2'", "'l1'"),
        ("SparseAutoencoder(8, n_nonzero_coefs=20).fit(X)", "n_nonzero_coefs", "20", "8"),
        ("SparseAutoencoder(n_nonzero_coefs=0).fit(X)", "n_nonzero_coefs", "0"),
        (
            "SparseAutoencoder(sparsity='kl', code_activation='relu').fit(X)",
            "kl",
            "code_activation",
            "'relu'",
        ),
        ("SparseAutoencoder(sparsity='kl', rho=1).fit(X)", "rho", "1"),
        ("SparseAutoencoder(sparsity='l1', penalty=-1).fit(X)", "penalty", "-1"),
        (
            "SparseAutoencoder(3, hidden_layer_sizes=(5,), n_nonzero_coefs=2).fit(X).components_",
            "components_",
            "linear decoder",
            "hidden_layer_sizes=()",
        ),
    ],
    "DenoisingAutoencoder": [
        ("DenoisingAutoencoder(corruption='noise').fit(X)", "corruption", "'noise'", "'gaussian'"),
        ("DenoisingAutoencoder(corruption_level=-1).fit(X)", "corruption_level", "-1"),
        (
            "DenoisingAutoencoder(corruption='masking', corruption_level=30).fit(X)",
            "corruption_level",
            "probability",
            "30",
        ),
        (
            "DenoisingAutoencoder(corruption='masking', corruption_level='auto').fit(X)",
            "corruption_level='auto'",
            "corruption='gaussian'",
            "'masking'",
            "pass the probability",
        ),
        ("DenoisingAutoencoder(corruption_units='X').fit(X)", "corruption_units", "'X'", "'data'"),
        ("DenoisingAutoencoder(corruption=lambda x: x[:, :2]).fit(X)", "corruption", "shape"),
        (
            "DenoisingAutoencoder(corruption=lambda x: x.numpy()).fit(X)",
            "corruption",
            "ndarray",
            "tensor",
        ),
        (
            "DenoisingAutoencoder(corruption='masking').fit(X).score_field(X)",
            "score_field",
            "corruption='gaussian'",
        ),
        ("DenoisingAutoencoder(corruption_level=0).fit(X).score_field(X)", "corruption_level > 0"),
        ("dae.sample(3, n_steps=0)", "n_steps", "0", "1"),
    ],
    "ContractiveAutoencoder": [
        ("ContractiveAutoencoder(penalty=-1).fit(X)", "penalty", "-1"),
        (
            "ContractiveAutoencoder(penalty_estimate='hutchinson').fit(X)",
            "penalty_estimate",
            "'hutchinson'",
            "'stochastic'",
        ),
        (
            "ContractiveAutoencoder(tied_weights=False, "
            "encoder=lambda a, b: nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b))).fit(X)",
            "encoder",
            "BatchNorm1d",
            "LayerNorm",
        ),
        ("cae.tangent_directions(X, n_directions=100)", "n_directions", "100"),
        ("ContractiveAutoencoder(2).fit(X)", "n_components", "2", "4"),
    ],
    "VAE": [
        (
            "VAE(corruption='gaussian', corruption_level='auto').fit(X)",
            "corruption_level",
            "float",
            "'auto'",
        ),
        ("VAE(prior='gaussian').fit(X)", "prior", "'gaussian'", "'standard'"),
        ("VAE(covariance_type='diagonal').fit(X)", "covariance_type", "'diagonal'", "'diag'"),
        ("VAE(noise_variance=0).fit(X)", "noise_variance", "0"),
        ("VAE(beta=-1).fit(X)", "beta", "-1"),
        ("VAE(warm_up=10).fit(X)", "warm_up", "10"),
        ("VAE(importance_weighted=True, beta=4).fit(X)", "importance_weighted", "beta=1", "4"),
        ("VAE(n_mc_samples=0).fit(X)", "n_mc_samples", "0"),
        ("VAE(encoder=nn.Linear(4, 2)).fit(X)", "encoder", "4 numbers", "2 means", "(2, 2)"),
        (
            "VAE(likelihood='bernoulli', beta=0).fit(U).noise_variance_",
            "noise_variance",
            "likelihood='gaussian'",
        ),
        ("vae.score_samples(X, n_importance_samples=0)", "n_importance_samples", "0", "1"),
        ("vae.sample(3, observation_noise='no')", "observation_noise", "'no'"),
        ("vae.interpolate(X[0], X[1, :2])", "x1", "2 features", "expecting 4"),
        ("VAE(beta=1000, max_iter=60).fit(X)", "collapsed", "beta"),
    ],
    "ConditionalVAE": [
        ("ConditionalVAE().fit(X, y)", "condition", "y", "ignored"),
        ("cvae.transform(X)", "condition"),
        ("cvae.sample(3)", "condition"),
        ("cvae.sample(3, condition=7)", "condition", "7", "fit"),
        ("cvae.transform(X, condition=y[:10])", "condition", "10", "150"),
        ("ConditionalVAE().fit(X, condition='red')", "condition", "'red'", "np.full(len(X)"),
        ("ConditionalVAE().fit(X, condition=y + 0.5)", "condition", "reshape(-1, 1)"),
        ("ConditionalVAE().fit(X, condition=np.where(y > 1, None, 'a'))", "condition", "missing"),
        (
            "ConditionalVAE().fit(X, condition=mixed[['a', 'kind']])",
            "condition",
            "kind",
            "OneHotEncoder",
        ),
        ("ConditionalVAE(condition_features=['kind']).fit(mixed)", "kind", "condition="),
        ("ConditionalVAE(condition_features=['age']).fit(frame)", "condition_features", "age"),
        ("ConditionalVAE(condition_features=['a']).fit(X)", "condition_features", "a"),
        ("ConditionalVAE(condition_features=[9]).fit(X)", "condition_features", "9", "4"),
        ("ConditionalVAE(condition_features=[0, 1, 2, 3]).fit(X)", "condition_features", "all"),
        (
            "ConditionalVAE(condition_features=[0]).fit(X, condition=y)",
            "condition_features",
            "condition",
        ),
        ("columns.sample(3)", "condition=", "condition_features=['a']"),
        (
            "ConditionalVAE(conditional_prior='gaussian').fit(X, condition=y)",
            "conditional_prior",
            "'gaussian'",
            "'learned'",
        ),
        ("plain.sample(3, condition=1)", "condition=", "not passed to fit", "y"),
        (
            "make_pipeline(StandardScaler(), ConditionalVAE()).fit(X, condition=y)",
            "condition",
            "stepname__parameter",
        ),
    ],
    "AdversarialAutoencoder": [
        ("AdversarialAutoencoder(prior='normal').fit(X)", "prior", "'normal'", "'standard'"),
        (
            "AdversarialAutoencoder(prior=lambda n, k, generator: torch.zeros(n, 9)).fit(X)",
            "prior",
            "(3, 2)",
            "(3, 9)",
        ),
        (
            "AdversarialAutoencoder(prior=lambda n: torch.zeros(n, 2)).fit(X)",
            "prior",
            "n_components",
            "generator",
        ),
        (
            "AdversarialAutoencoder(encoder_type='stochastic').fit(X)",
            "encoder_type",
            "'stochastic'",
            "'gaussian'",
        ),
        ("AdversarialAutoencoder(adversarial_weight=-1).fit(X)", "adversarial_weight", "-1"),
        (
            "AdversarialAutoencoder(discriminator_layer_sizes=(0,)).fit(X)",
            "discriminator_layer_sizes",
            "(0,)",
        ),
        ("aae.sample_prior(0)", "n_samples", "0"),
    ],
    "GLGAE": [
        ("GLGAE(n_components=5, node_layout='grid').fit(X)", "node_layout", "5"),
        ("GLGAE(0.5).fit(X)", "n_components", "0.5"),
        ("GLGAE(n_nodes=0).fit(X)", "n_nodes", "0"),
        ("GLGAE(node_layout=np.zeros((9, 3))).fit(X)", "node_layout", "2", "3"),
        ("GLGAE(objective='mse').fit(X)", "objective", "'mse'", "'reconstruction'"),
        ("GLGAE(solver='sgd').fit(X)", "solver", "'sgd'", "'batch'"),
        ("GLGAE(noise_variance=-1).fit(X)", "noise_variance", "-1"),
        ("GLGAE(ridge=-1).fit(X)", "ridge", "-1"),
        ("glgae.score_samples(X, kind='joint')", "kind", "'joint'", "'marginal'"),
        ("glgae.inverse_transform(X)", "4 features", "2"),
    ],
    "Imputer": [
        ("Imputer().fit(np.where(holes > 3, np.inf, holes))", "infinity"),
        ("Imputer(n_components='many').fit(X)", "n_components", "'many'", "'auto'"),
        ("Imputer(ridge=-1).fit(X)", "ridge", "-1", "'auto'"),
        ("Imputer(validation_fraction=2).fit(X)", "validation_fraction", "2"),
        ("Imputer().fit(np.where(X > 3, 'big', 'small'))", "X", "big", "OneHotEncoder"),
        ("Imputer().fit(np.column_stack([X, X[:, 0] + np.nan]))", "4", "keep_empty_features"),
        ("Imputer().transform(X)", "not fitted"),
        ("imputer.impute(X, 0)", "n_draws", "0"),
        ("imputer.intervals(X, coverage=90)", "coverage", "90"),
        ("imputer.inverse_transform(X)", "add_indicator"),
    ],
    "images": [
        ("Autoencoder(encoder=Conv((3, 3))).fit(X)", "image_shape", "(3, 3)", "4", "(2, 2)"),
        ("Autoencoder(encoder=Conv).fit(X)", "encoder", "Conv(...)"),
        ("VAE(likelihood='bernoulli').fit(255 * (X > 3))", "X / np.float32(255)"),
    ],
}

CASES = [(line, words) for lines in MISTAKES.values() for line, *words in lines]
NAMES["_fitted_on_frame"] = _quick(skae.Autoencoder)().fit(frame)


def answer_to(line):
    """Return what a line ends in: an error, or the first warning; None for silence.

    Why a method is missing stands where scikit-learn puts it, in the error before the last.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (UserWarning, RuntimeWarning, FutureWarning):
            warnings.simplefilter("error", kind)
        warnings.simplefilter("ignore", StartKeptWarning)  # two epochs are few
        try:
            eval(line, dict(NAMES))
        except Exception as error:
            cause = error.__cause__
            reason = f"{cause}\n" if isinstance(error, AttributeError) and cause else ""
            return f"{type(error).__name__}: {reason}{error}"
    return None


@pytest.mark.cpu
@pytest.mark.parametrize(("line", "words"), CASES, ids=[line for line, _ in CASES])
def test_the_answer_says_what_to_do(line, words):
    answer = answer_to(line)
    assert answer is not None, "nothing was said"
    assert [word for word in words if word not in answer] == [], answer


def test_there_are_enough_of_them():
    assert len(CASES) >= 90
    assert set(PUBLIC) <= set(MISTAKES)


if __name__ == "__main__":
    for title, lines in MISTAKES.items():
        print(f"\n# {title}")
        for line, *_ in lines:
            answer = answer_to(line)
            print(f"\n{line}\n    {answer}".replace("\n", "\n    "))
