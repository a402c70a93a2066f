"""Chooses alpha="auto" by a held-out trial."""

import copy
from collections import defaultdict

import numpy as np
import torch

from .. import _ranks
from ..data.batches import Batches
from ..data.sources import ChosenRows
from ..data.tables import chunk_size
from ..training.randomness import make_generator
from .choices import (
    MEDIUM,
    STRONG,
    STRONGER,
    WEAK,
    has_hidden_layers,
    has_linear_path,
    has_own_networks,
)
from .halves import FEWEST_ROWS, rows_with_weight
from .held_out import Tried, distances_of_outliers, memorises
from .persistence import with_attributes

MOST_ROWS = 10000  # above which a network of usual size learns too little of the noise to be tried
FEWEST_EPOCHS = 30  # below which a part of them says too little
MANY_EPOCHS = 50  # above which a part of them does not show where log odds grow to

# Chosen on the tuning half of tests/benchmarks/data_sets.py; decay_trial.py measures what they do.
SHARE_OF_EPOCHS = 0.25  # that a network of the trial is trained for
CLEAR = 2.0  # standard errors of a gain beyond which a weaker decay is tried
# With fewer than MEDIUM_ROWS rows a trial whose gain is not clear is repeated with twice the
# epochs; with fewer than FEW_ROWS also on a second pair of halves.
MEDIUM_ROWS, FEW_ROWS = 1000, 200


class Interrupted(Exception):
    """Raised where Ctrl-C has ended the training of a network of the trial."""


def alpha_for(estimator, batches, resume, one_pass):
    """Return the weight decay of a training.

    After an interrupt of the trial the estimator has the better of its start and the network that
    was tried, and its engine says that the training has ended (`Engine.n_finished_`).

    Parameters
    ----------
    estimator : BaseAutoencoder
        With its networks at their start.
    batches : Batches
        Those of the training.
    resume : bool
        Whether it goes on from another.
    one_pass : bool
        Whether it is a call of `partial_fit`.
    """
    if estimator.alpha != "auto":
        return estimator.alpha
    if one_pass:
        return 0.0
    if resume:
        return estimator.alpha_
    index = rows_with_weight(batches.rows, batches.weights, batches.index)
    given = _without_trial(estimator, _ranks.total(len(index)), _ranks.smallest(len(index)))
    return Trial(estimator, batches, index).choose() if given is None else given


def _without_trial(estimator, n_rows, n_least):
    """Return the decay where there is no trial, else None; `n_least` of the rows are on a rank."""
    weak = WEAK if has_linear_path(estimator) else 0.0
    if is_linear(estimator) or not estimator.net_.step_.n_decayed:
        return 0.0
    if n_rows > MOST_ROWS:
        return weak * MOST_ROWS / n_rows
    if estimator._n_epochs < FEWEST_EPOCHS or n_rows < FEWEST_ROWS or n_least < 2:
        return weak
    return None


def weakest_decay(estimator):
    """Return the weakest decay that is tried.

    Without a linear path it is 0, because there is no start to keep. A deterministic Bernoulli
    model is an exception in long trainings: without decay its log odds grow without bound, and
    the trial is too short to show it.
    """
    if has_linear_path(estimator):
        return WEAK
    is_unbounded = estimator.likelihood == "bernoulli" and not estimator._is_density
    return MEDIUM if is_unbounded and estimator._n_epochs > MANY_EPOCHS else 0.0


def is_linear(estimator):
    """Whether encoder and decoder are linear maps, which cannot do worse than the linear model."""
    if has_hidden_layers(estimator) or not has_own_networks(estimator):
        return False
    plain = estimator._get_code_activation() == estimator.output_activation == "identity"
    return has_linear_path(estimator) or (plain and estimator.likelihood == "gaussian")


class Trial:
    """Networks trained on halves of the rows for a short time, compared on the other halves.

    Where there is a linear path they are compared with their start, the linear model; else with
    networks under so strong a decay that their output is a constant. Either is the plain model.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With its networks at their start.
    batches : Batches
        Those of the training.
    index : tensor of int64
        The numbers of its rows that have weight.
    """

    def __init__(self, estimator, batches, index):
        self.estimator, self.batches, self.index = estimator, batches, index
        self.weak, self.share_of_epochs = weakest_decay(estimator), SHARE_OF_EPOCHS
        self.n_rows = _ranks.total(len(index))
        self.generator = make_generator(estimator._seed, "trial")
        weights = batches.weights
        mine = np.ones(len(index)) if weights is None else weights.cpu()[index].double().numpy()
        (self.weights,) = _gathered(mine)
        self.folds, self.plain, self.parts = [], {}, defaultdict(list)
        self._add_folds()

    def _add_folds(self):
        """Draw a pair of halves: places in `index` of rows to train on, and of those held out.

        The former are whole batches of the size of the training, whose steps are then prepared
        once.
        """
        n, size = len(self.index), self.batches.batch_size
        order, n_learnt = torch.randperm(n, generator=self.generator), n // 2
        n_learnt -= n_learnt % size if size < n_learnt else 0
        self.folds.append((order[:n_learnt], order[n_learnt:]))
        self.folds.append((order[-n_learnt:], order[:-n_learnt]))

    # The choice

    def choose(self):
        """Return the decay whose networks do best on rows that they were not trained on.

        A decay under which they memorise outliers is left out.
        """
        try:
            return self._choose()
        except Interrupted:
            return self._hand_over()

    def _choose(self):
        medium = self._try(MEDIUM)
        is_longer = self.n_rows < MEDIUM_ROWS and abs(medium.n_errors) <= CLEAR
        if is_longer:
            medium = self._try_for_longer(MEDIUM)
        if medium.n_errors < (CLEAR if is_longer else -CLEAR):
            return STRONG
        self.distances = distances_of_outliers(medium)
        best = self._best_of_more(medium)
        is_worth_it = best.n_errors > 1 and not self._memorises(best)
        return best.alpha if is_worth_it else STRONG

    def _try_for_longer(self, alpha):
        """Train for longer, and of few rows on other halves too, where the gain is not clear."""
        self.share_of_epochs = 2 * SHARE_OF_EPOCHS
        self.parts.clear()
        if self.n_rows < FEW_ROWS:
            self._add_folds()
        return self._try(alpha)

    def _best_of_more(self, medium):
        """Try decays on the side where there is something to gain; return the best."""
        if self._memorises(medium):
            return self._weakest_of_stronger()
        if self.weak < MEDIUM and medium.n_errors > CLEAR:
            needs_all = self.n_rows < FEW_ROWS or self.distances.any()
            weak = self._try(self.weak, None if needs_all else 1)
            lead = weak.lead(medium)
            if lead > 0:
                is_better = weak.is_better_for_all(medium) and not self._memorises(weak)
                return weak if is_better else medium
            if lead > -1:
                return medium
        strong = self._try(STRONGER[0])
        return strong if strong.lead(medium) > 0 else medium

    def _memorises(self, tried):
        return memorises(tried, self.distances)

    def _weakest_of_stronger(self):
        """Return the first of the stronger decays with which networks do not memorise."""
        for alpha in STRONGER:
            tried = self._try(alpha)
            if not self._memorises(tried):
                break
        return tried

    # The networks

    def _try(self, alpha, n_folds=None):
        """Train networks with one decay on the first halves; return what became of the rows."""
        self._say(alpha)
        parts = self.parts[alpha]
        for fold in range(len(parts), n_folds or len(self.folds)):
            parts.append(self._try_fold(alpha, fold))
        with np.errstate(invalid="ignore"):  # the mean of nothing is NaN
            means = np.nansum(parts, axis=0) / (~np.isnan(parts)).sum(axis=0)
        return Tried(alpha, self.weights, *_gathered(*means))

    def _say(self, alpha):
        if self.estimator.verbose and _ranks.rank() == 0:
            print(f"Trying weight decay {alpha:g} on half of the rows.")

    def _try_fold(self, alpha, fold):
        """Return the losses of the rows for one pair of halves, as in `Tried`."""
        learnt, held_out = self.folds[fold]
        if fold not in self.plain and alpha != STRONG and not has_linear_path(self.estimator):
            self.plain[fold] = self._try_fold(STRONG, fold)[1]
        trial, net = self._make_network(alpha)
        trial._start_networks(*self._rows_of(learnt))
        if fold not in self.plain and alpha != STRONG:
            self.plain[fold] = self._losses(net)
        self._train(net, alpha, learnt)
        losses = np.stack([self.plain.get(fold, self._nothing), *2 * [self._losses(net)]])
        losses[:2, self._others(held_out)] = np.nan
        losses[2, self._others(learnt)] = np.nan
        return losses

    @property
    def _nothing(self):
        return np.full(len(self.index), np.nan)

    def _others(self, places):
        """Return which places of the index are not among some."""
        return ~np.isin(np.arange(len(self.index)), places.numpy())

    def _make_network(self, alpha):
        """Return a copy of the estimator and its engine, for a short training without a word."""
        n_epochs = max(1, round(self.share_of_epochs * self.estimator._n_epochs))
        short = {"_n_epochs": n_epochs, "n_iter_no_change": None, "early_stopping": False}
        trial = with_attributes(self.estimator, **short, callbacks=None, verbose=0)
        if not has_own_networks(trial):  # those of the user are made once
            module = self.estimator.module_
            trial._make_module = lambda *args: copy.deepcopy(module)
        net = trial.net_ = trial._build_engine()
        net.alpha = alpha
        return trial, net

    def _train(self, net, alpha, learnt):
        rows, weights = self._rows_of(learnt)
        size, shuffling = self.batches.batch_size, net.generators["shuffling"]
        net.train(Batches(rows, weights, size, generator=shuffling))
        if net.n_finished_ is not None:
            self.interrupted = net, alpha
            raise Interrupted

    def _rows_of(self, places):
        """Return the rows at some places of the index, and their weights."""
        numbers = self.index[places.sort()[0]].to(self.batches.rows.device)
        weights = self.batches.weights
        rows = ChosenRows(self.batches.rows, numbers)
        return rows, None if weights is None else weights[numbers]

    def _losses(self, net):
        """Return the monitored loss of each row, under noise that is always the same for it."""
        rows, _ = self._rows_of(torch.arange(len(self.index)))
        return net.evaluate_rows(Batches(rows, None, chunk_size(rows.shape[1])))

    def _hand_over(self):
        """Give the estimator the network whose training was interrupted; return its decay.

        At the end of the fit the start takes its place where it is better.
        """
        (tried, alpha), net = self.interrupted, self.estimator.net_
        net.load_state(tried.state())
        net.n_finished_, net.n_epochs_ = len(net.history), None
        return alpha


def _gathered(*arrays):
    """Return arrays over the rows of all ranks, as a list."""
    return [np.concatenate(parts) for parts in zip(*_ranks.gather(arrays), strict=True)]
