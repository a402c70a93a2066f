"""The checks that third parties run: a broken variant fails the law that it breaks, in words."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from skae import GLGAE, VAE, Autoencoder, _laws, testing
from skae.extending import AutoencoderModule, VAEModule
from skae.testing import autoencoder_checks_generator, check_autoencoder

QUICK = {"max_iter": 2, "random_state": 0}


class Restless(Autoencoder):
    def transform(self, X):
        Z = super().transform(X)
        return Z + 1e-3 * np.random.default_rng().normal(size=Z.shape)


class Deaf(Autoencoder):
    def sample(self, n_samples=1, *, random_state=None):
        return super().sample(n_samples, random_state=0)


class Seeding(Autoencoder):
    def fit(self, X, y=None, *, sample_weight=None):
        torch.manual_seed(0)
        return super().fit(X, y, sample_weight=sample_weight)


class Stirring(Autoencoder):
    def fit(self, X, y=None, *, sample_weight=None):
        np.random.rand()
        return super().fit(X, y, sample_weight=sample_weight)


class Narrow(Autoencoder):
    def inverse_transform(self, Z):
        return super().inverse_transform(Z)[:, :-1]


class Centring(Autoencoder):
    """Uses the mean of the rows that it is given."""

    def transform(self, X):
        return super().transform(X) - super().transform(X).mean(axis=0)


class Talkative(Autoencoder):
    def fit(self, X, y=None, *, sample_weight=None):
        print("fit")
        return super().fit(X, y, sample_weight=sample_weight)


class Greedy(Autoencoder):
    """Takes what it cannot learn from."""

    def fit(self, X, y=None, *, sample_weight=None):
        return super().fit(np.nan_to_num(X), y)


class Boastful(VAE):
    def score(self, X, y=None, *, sample_weight=None):
        return super().score(X, sample_weight=sample_weight) + 1


class Forgetful(Autoencoder):
    def forget_rows(self):
        self.n_forgotten_ = 1
        return super().forget_rows()

    def transform(self, X):
        return super().transform(X) + getattr(self, "n_forgotten_", 0)


class Ratio(AutoencoderModule):
    """Has a variance that a single row has not."""

    def terms(self, x, z, p):
        return {
            **super().terms(x, z, p),
            "spread": (z - z.mean(dim=0)).square().sum() / (len(z) - 1),
        }


class Spread(Autoencoder):
    _module_class = Ratio


class Rolling(AutoencoderModule):
    """Draws where nobody has seeded."""

    def terms(self, x, z, p):
        noise = torch.randn_like(z)
        return {**super().terms(x, z, p), "noisy": (z + noise).square().sum(dim=1)}


class Rolled(Autoencoder):
    _module_class = Rolling


class Careless(VAEModule):
    """Draws with half of the noise, and hands on the whole."""

    def forward(self, x, encoder_masks, decoder_masks, noise, *others):
        q = self.q_z(x)
        z = q.draw(0.5 * noise)
        return self.terms(x, z, noise, q, self.p_x(z), self.p_z())


class Shrunk(VAE):
    _module_class = Careless


class Failing(Autoencoder):
    def interpolate(self, x0, x1, n_steps=10):
        raise NotImplementedError("no way")


BROKEN = [
    (Restless, "check_same_seed_same_codes", "codes = the first's"),
    (Restless, "check_pickle_and_clone", "transform of the pickle = the original's"),
    (Deaf, "check_samples_follow_random_state", "other samples for random_state=2"),
    (Seeding, "check_surroundings", "torch's global generator to be as it was"),
    (Stirring, "check_surroundings", "numpy's global generator to be as it was"),
    (Talkative, "check_surroundings", r"nothing to be printed. Got 'fit\\n"),
    (
        Narrow,
        "check_shapes_and_dtypes",
        r"shape \(120, 4\) .* inverse_transform. Got .*\(120, 3\)",
    ),
    (Centring, "check_rows_are_independent", "transform of rows alone as of all"),
    (Greedy, "check_bad_data", "ValueError from fit, with the words 'contains NaN'. Got no error"),
    (Greedy, "check_bad_weights", "ValueError from fit, with the words 'non-zero'"),
    (Boastful, "check_score_is_the_mean_log_likelihood", "score = the mean of score_samples"),
    (Forgetful, "check_forget_rows", "after forget_rows = that of before"),
    (Spread, "check_one_row", "term 'spread' to be finite for a batch of one row. Got nan"),
    (Rolled, "check_same_seed_same_codes", "out of the generators that its `draw` is given"),
    (Shrunk, "check_noise_of_terms", "z = the mean of q plus its factor times the noise"),
    (Failing, "check_interpolation", r"NotImplementedError\('no way'\)"),
]


@pytest.mark.filterwarnings("ignore::skae.exceptions.DivergenceWarning")  # the law says more
@pytest.mark.parametrize(
    ("broken", "law", "words"), BROKEN, ids=[f"{cls.__name__}-{law}" for cls, law, _ in BROKEN]
)
def test_a_broken_variant_is_told_the_law_and_what_came(broken, law, words):
    laws = {check.__name__: check for _, check in autoencoder_checks_generator(broken())}
    head = f"{broken.__name__} breaks the law of {law}. {laws[law].__doc__.splitlines()[0]}"
    with pytest.raises(AssertionError, match=re.escape(head)) as told:
        laws[law](broken(**QUICK))
    assert re.search(words, str(told.value), re.DOTALL)


@pytest.mark.parametrize("broken", [Restless, Narrow, Talkative])
def test_one_call_finds_it(broken):
    with pytest.raises(AssertionError, match=f"{broken.__name__} breaks the law of check_"):
        check_autoencoder(broken(**QUICK))


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(2),
        GLGAE(),
        pytest.param(VAE(2, likelihood="bernoulli"), marks=pytest.mark.slow),
        pytest.param(
            Autoencoder(2, output_activation="tanh", scaling=None), marks=pytest.mark.slow
        ),
    ],
)
def test_one_call_is_silent_where_all_laws_hold(estimator, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert check_autoencoder(estimator) is None
    assert capsys.readouterr() == ("", "")


def test_what_is_given_is_left_alone():
    ae = Autoencoder(2, **QUICK).fit(_laws.X)
    before = dict(vars(ae))
    for _, check in list(autoencoder_checks_generator(ae))[:5]:
        check(ae)
    assert vars(ae) == before


def test_of_random_numbers_without_a_seed_the_law_of_seeds_speaks():
    """And not the first of the laws that compare two fits."""
    with pytest.raises(AssertionError, match="Rolled breaks the law of check_same_seed"):
        check_autoencoder(Rolled(**QUICK))


def test_laws_have_names_and_words():
    for estimator in (Autoencoder(), VAE(), GLGAE()):
        names = [check.__name__ for _, check in autoencoder_checks_generator(estimator)]
        assert len(set(names)) == len(names)
        assert all(getattr(testing, name).__doc__.strip() for name in names)
    written = {name for name in vars(_laws) if name.startswith("check_")}
    yielded = {
        check.__name__
        for estimator in (Autoencoder(), VAE())
        for _, check in autoencoder_checks_generator(estimator)
    }
    assert written - yielded == {"check_estimator", "check_is_fitted"}


def test_laws_that_do_not_apply_are_left_out():
    names = {check.__name__ for _, check in autoencoder_checks_generator(GLGAE())}
    assert not names & {"check_history", "check_warm_start", "check_other_seed_other_codes"}
    fixed = Autoencoder(3, encoder=torch.nn.Linear(4, 3), early_stopping=True)
    names = {check.__name__ for _, check in autoencoder_checks_generator(fixed)}
    assert not names & {"check_wide_codes", "check_partial_fit"}


def test_a_class_is_no_instance():
    with pytest.raises(TypeError, match=r"Got the class Autoencoder: pass Autoencoder\(\)"):
        check_autoencoder(Autoencoder)


@pytest.mark.slow
def test_no_test_framework_is_needed():
    code = "import sys; sys.modules.update(pytest=None, hypothesis=None); import skae.testing"
    subprocess.run([sys.executable, "-c", code], check=True)
