"""One step of training, as one piece: noise, loss terms, gradient, move, decay."""

import math
from contextlib import contextmanager, nullcontext

import torch

from .._torch import BATCH_NORMS
from .criterion import WeightedMeans
from .randomness import global_generator_for

# Learning rate at a share t of the training, relative to its initial value.
SCHEDULES = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
}


class Step:
    """A step of training, taken in the ordinary way; and its parts, for what repeats steps.

    All trainable parameters are views of one flat buffer, those with weight decay first, and so
    are their gradients.

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
    n_taken, n_planned : int
        Number of steps since the last `begin`, and what share of them ends the schedule.
    """

    def __init__(self, module, generators):
        self.module, self.generators = module, generators
        self.criterion, self.optimizer = WeightedMeans(), None
        self.lr, self.schedule, self.alpha = 1e-3, "constant", 0.0
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
        decayed = [p.dim() > 1 and id(p) not in exempt for p in trainable]
        parameters = [p for p, d in zip(trainable, decayed, strict=True) if d]
        self.n_decayed = sum(p.numel() for p in parameters)
        parameters += [p for p, d in zip(trainable, decayed, strict=True) if not d]

        self.flat = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.flat_gradient = torch.zeros_like(self.flat)
        offset = 0
        for p in parameters:
            part = slice(offset, offset + p.numel())
            p.data, p.grad = self.flat[part].view_as(p), self.flat_gradient[part].view_as(p)
            offset += p.numel()
        self.decayed = self.flat[: self.n_decayed]

    def trainable(self):
        """Return the parameters that may be trained now, in the module's order."""
        return [p for p in self.module.parameters() if p.requires_grad]

    # The course of the learning rate

    def begin(self, n_planned):
        """Start to count steps; after `n_planned` the schedule ends, with 0 there is none."""
        self.n_taken, self.n_planned = 0, n_planned

    def _has_schedule(self):
        return self.n_planned and self.schedule != "constant"

    def rates(self, n_steps):
        """Return the learning rates of the next steps."""
        if not self._has_schedule():
            return [self.optimizer.param_groups[0]["lr"]] * n_steps
        schedule, steps = SCHEDULES[self.schedule], range(self.n_taken, self.n_taken + n_steps)
        return [self.lr * schedule(step / self.n_planned) for step in steps]

    def advance(self, rates):
        """Count steps that had these rates; the last is the optimizer's from now on."""
        self.n_taken += len(rates)
        if self._has_schedule():
            for group in self.optimizer.param_groups:
                group["lr"] = rates[-1]

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
        self.advance(self.rates(1))
        n_rows, generator = len(batch[0]), self.generators["dropout"]
        with global_generator_for(self.module, generator), batch_norm_for(self.module, n_rows):
            draws = self.draw(n_rows)
            results = None if gradient is None else gradient(batch, draws)
            if results is None:
                results = self._take_eagerly(batch, draws, on_gradient)
            else:
                self.optimizer.step()
            self.decay()
        return results

    def draw(self, n_rows, generators=None):
        """Return the random inputs of one step."""
        return self.module.draw(n_rows, generators or self.generators)

    def loss_terms(self, batch, draws):
        """Return the loss, names and values of its terms, and the terms of each row."""
        x, weights = batch
        torch.clear_autocast_cache()  # of weights as they were in the last step
        y_pred = self.module(x, *draws)
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
            if on_gradient is not None:
                on_gradient(batch)
            computed.append(results)
            return results["loss"]

        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.step(closure)
        else:
            closure()
            self.optimizer.step()
        return computed[0]

    def decay(self):
        """Draw the decayed weights towards zero."""
        if self.alpha:
            rate = self.optimizer.param_groups[0]["lr"]
            self.decayed.mul_(max(0.0, 1 - rate * self.alpha))

    def evaluate(self, batch, generator):
        """Return the loss terms of a batch, under noise from one generator, and take no step."""
        generators = dict.fromkeys(self.generators, generator)
        with torch.no_grad(), global_generator_for(self.module, generator):
            return self.loss_terms(batch, self.draw(len(batch[0]), generators))


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
