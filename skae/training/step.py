"""One step of training, as one piece: noise, loss terms, gradient, move, decay."""

import itertools
import math
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import nn

from .. import _ranks
from .._torch import BATCH_NORMS
from .criterion import WeightedMeans, check_is_sum_over_rows, check_terms
from .interrupts import Agreed, is_wanted
from .randomness import Generators, global_generator_for

# Learning rate at a share t of the training, relative to its initial value.
SCHEDULES = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
}


# Chosen by tests/benchmarks/defaults.py: the share of the steps of a fit, and the number of steps
# at a constant rate, over which the rate rises to what the schedule says. The first steps of Adam
# have full length whatever the gradient, and would throw a start away.
WARM_UP, STEPS_OF_WARM_UP = 0.05, 100


# What ranks tell each other beside the gradient: weights of rows, their loss, who was interrupted.
N_TOLD = 3


class Block(NamedTuple):
    """Parameters that lie side by side and have one learning rate: `factor` times the step's."""

    part: slice
    factor: float


class Step:
    """A step of training, taken in the ordinary way; and its parts, for what repeats steps.

    All trainable parameters are views of one flat buffer, those with weight decay first, and so
    are their gradients. Within either part those of one learning rate lie side by side.

    Parameters
    ----------
    module : BaseModule
        On its device and in its precision.
    generators : dict of torch.Generator
        One for each purpose, see `randomness`.

    Attributes
    ----------
    criterion : callable
        Terms of each row and sample weights in, a list of numbers out.
    optimizer : torch.optim.Optimizer
        Given later, as it works on `flat`.
    lr : float
        Initial learning rate.
    schedule : str
        A key of `SCHEDULES`.
    alpha : float
        Decoupled weight decay.
    flat, flat_gradient : tensor of shape (n_parameters,)
    n_decayed : int
        How many parameters decay: the first of `flat`.
    blocks : list of Block
        Of `flat`, from its start to its end.
    n_taken, n_planned : int
        Number of steps since the last `begin`, and at which the schedule ends.
    n_remembered : int
        Number of steps that the optimizer remembers, from all trainings.
    """

    def __init__(self, module, generators):
        self.module, self.generators = module, generators
        self.criterion, self.optimizer = WeightedMeans(), None
        self.lr, self.schedule, self.alpha = 1e-3, "constant", 0.0
        self.n_remembered = 0
        self._lay_out()
        self.begin(0)

    def _lay_out(self):
        """Lay the trainable parameters side by side in one buffer, decayed ones first."""
        trainable = self.trainable()
        if not trainable:
            raise ValueError(
                "There is nothing to train: encoder and decoder must have a parameter with "
                "requires_grad=True between them. Both are frozen, or have no parameters."
            )
        exempt = {id(p) for p in self.module.undecayed_parameters()}
        factors = {id(p): factor for p, factor in self.module.step_sizes().items()}
        decays = {id(p): p.dim() > 1 and id(p) not in exempt for p in trainable}

        def place(p):  # where both parts meet, rates are small, and as a rule the same
            factor = factors.get(id(p), 1.0)
            return (0, -factor) if decays[id(p)] else (1, factor)

        parameters = sorted(trainable, key=place)
        self.n_decayed = sum(p.numel() for p in parameters if decays[id(p)])
        self.flat = torch.cat([p.detach().reshape(-1) for p in parameters])
        self._told = self.flat.new_zeros(len(self.flat) + N_TOLD)
        self.flat_gradient = self._told[:-N_TOLD]
        self.decayed, offset, self.blocks = self.flat[: self.n_decayed], 0, []
        by_factor = itertools.groupby(parameters, lambda p: factors.get(id(p), 1.0))
        for factor, some in by_factor:
            start = offset
            for p in some:
                part = slice(offset, offset + p.numel())
                p.data, p.grad = self.flat[part].view_as(p), self.flat_gradient[part].view_as(p)
                offset += p.numel()
            self.blocks.append(Block(slice(start, offset), factor))

    def trainable(self):
        """Return the parameters that may be trained now, in the module's order."""
        return [p for p in self.module.parameters() if p.requires_grad]

    def groups(self, lr):
        """Return the parameter groups of an optimizer with this learning rate, one a block."""
        return [
            {"params": [self.named_anew(part)], "lr": lr * factor, "factor": factor}
            for part, factor in self.blocks
        ]

    def named_anew(self, part):
        """Return a part of the flat buffer as a parameter: another name for the same memory."""
        parameter = nn.Parameter(self.flat[part])
        parameter.grad = self.flat_gradient[part]
        return parameter

    # The course of the learning rate

    def begin(self, n_planned):
        """Start to count steps; after `n_planned` the schedule ends, with 0 there is none."""
        self.n_taken, self.n_planned = 0, n_planned

    def rates(self, n_steps):
        """Return the learning rates of the next steps, for each a list: one of each block."""
        groups = self.optimizer.param_groups
        if not self.n_planned:
            return [[group["lr"] for group in groups]] * n_steps
        rates = [self.lr * share for share in self._shares_of_rate(n_steps)]
        columns = [
            [group["lr"]] * n_steps
            if "factor" not in group and self.schedule == "constant"  # the user's own, that differ
            else [rate * factor_of(group) for rate in rates]
            for group in groups
        ]
        return list(map(list, zip(*columns, strict=True)))

    def _shares_of_rate(self, n_steps):
        """Return the rates of the next steps, relative to the initial one.

        A constant one rises with the steps that the optimizer remembers: two trainings are one.
        """
        n_taken, n_planned, schedule = self.n_taken, self.n_planned, SCHEDULES[self.schedule]
        if self.schedule == "constant":
            n_risen, n_rising = self.n_remembered, STEPS_OF_WARM_UP
        else:
            n_risen, n_rising = n_taken, max(1, round(WARM_UP * n_planned))
        return [
            min(1.0, (n_risen + i + 1) / n_rising) * schedule((n_taken + i) / n_planned)
            for i in range(n_steps)
        ]

    def advance(self, rates):
        """Count steps that had these rates; the last are the optimizer's from now on."""
        self.n_taken += len(rates)
        self.n_remembered += len(rates)
        for group, rate in zip(self.optimizer.param_groups, rates[-1], strict=True):
            group["lr"] = rate

    def forget(self):
        """Let the optimizer forget all steps."""
        self.optimizer.state.clear()
        self.n_remembered = 0

    def shrinkage(self, rates):
        """Return what steps with these rates leave of decayed weights, a number for each.

        The decay goes by the rate of the step, not by that of a block: it would fade where
        layers are wide.
        """
        factor = factor_of(self.optimizer.param_groups[0])
        return [max(0.0, 1 - self.alpha * rate / factor) for rate, *_ in rates]

    # One step

    def take(self, batch, gradient=None, on_gradient=None):
        """Draw the step's noise, compute the gradient, let the optimizer take its step.

        Parameters
        ----------
        batch : tuple
            x, (n_rows, n_columns), and weights, (n_rows,) or None.
        gradient : callable or None
            Is tried first: ``gradient(batch, draws)`` computes the gradient in place and returns
            what `loss_terms` does, or None.
        on_gradient : callable or None
            Called with the batch each time that autograd has computed a gradient.

        Returns
        -------
        results : dict
            As `loss_terms` returns them; ``names`` and ``values`` at least.
        """
        rates = self.rates(1)
        self.advance(rates)
        n_rows, generator = len(batch[0]), self.generators["dropout"]
        with global_generator_for(self.module, generator), batch_norm_for(self.module, n_rows):
            draws = self.draw(n_rows)
            results = None if gradient is None else gradient(batch, draws)
            if results is None:
                results = self._take_eagerly(batch, draws, on_gradient)
            else:
                self.combine(batch, results["values"].sum())
                self.optimizer.step()
            if self.alpha:
                self.decayed.mul_(*self.shrinkage(rates))
        return results

    def draw(self, n_rows, generators=None):
        """Return the random inputs of one step."""
        return self.module.draw(n_rows, generators or self.generators)

    def loss_terms(self, batch, draws):
        """Return the loss, names and values of its terms, and the terms of each row."""
        x, weights = batch
        torch.clear_autocast_cache()  # of weights as they were in the last step
        y_pred = self.module(x, *draws)
        check_terms(y_pred, len(x))
        if _ranks.is_shared():
            check_is_sum_over_rows(y_pred)
        terms = self.criterion(y_pred, weights)
        return {
            "loss": sum(terms),
            "names": list(y_pred),
            "values": torch.stack([term.detach() for term in terms]),
            "y_pred": y_pred,
        }

    def _take_eagerly(self, batch, draws, on_gradient):
        computed = []

        def closure():
            self.flat_gradient.zero_()
            results = self.loss_terms(batch, draws)
            results["loss"].backward()
            loss = self.combine(batch, results["loss"])
            if on_gradient is not None:
                on_gradient(batch)
            computed.append(results)
            return loss

        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.step(closure)
        else:
            closure()
            self.optimizer.step()
        return computed[0]

    def combine(self, batch, loss):
        """Make the gradient that of the batches of all ranks together; return their loss.

        All ranks come here in each step, or none: so they stop at the same one.
        """
        if not _ranks.is_shared():
            return loss
        told, weight = self._told[-N_TOLD:], float(weight_of(batch))
        self.flat_gradient.mul_(weight)
        of_mine = [weight, weight * float(loss.detach()), float(is_wanted())]
        told.copy_(torch.tensor(of_mine, dtype=told.dtype))
        weight, loss, n_interrupted = _ranks.sum_in_place(self._told)[-N_TOLD:].tolist()
        if n_interrupted:
            raise Agreed
        weight = weight or 1.0  # where no row counts, all is 0
        self.flat_gradient.div_(weight)
        return loss / weight

    def evaluate(self, batch, generator):
        """Return the loss terms of a batch, under noise from one generator, and take no step."""
        generators = Generators.fromkeys(self.generators, generator)
        with torch.no_grad(), global_generator_for(self.module, generator):
            return self.loss_terms(batch, self.draw(len(batch[0]), generators))


def weight_of(batch):
    """Return what a batch counts in the mean of several."""
    x, weights = batch
    return len(x) if weights is None else weights.sum()


def factor_of(group):
    """Return the learning rate of a parameter group relative to that of the step."""
    return group.get("factor", 1.0)


@contextmanager
def _running_statistics(module):
    layers = [m for m in module.modules() if isinstance(m, BATCH_NORMS)]
    for layer in layers:
        layer.eval()
    yield
    for layer in layers:
        layer.train()


def batch_norm_for(module, n_rows):
    """Let batch normalisation use its running statistics where one row is all there is."""
    return _running_statistics(module) if n_rows == 1 else nullcontext()
