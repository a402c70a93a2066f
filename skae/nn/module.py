"""What engine and estimator ask of a module: the one protocol between them, hook by hook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn


class BaseModule(nn.Module):
    r"""A model to train: networks, and an objective of named terms.

    It knows no device, no optimizer, no numpy and no scikit-learn; all its tensors are in the
    network's units, on one device and in one precision. A module of an estimator has `encode`,
    `decode` and `forward`; one that the engine trains alone needs only `forward`. Everything else
    has a default.

    The hooks are called from outside in this order; any of them may call others.

    1. `undecayed_parameters` and `step_sizes`, once, when the engine lays the parameters side by
       side.
    2. In a fit that does not go on from another one: `start_output`; where the method has a noise
       variance `start_noise`; where there is a linear path `start_linear` or, in a variational
       model, `start_posterior`. A learned prior may call `encode` then.
    3. `draw`, then `forward`, in evaluation mode: the loss before training.
    4. `draw`, then `forward`, for each step in training mode (LBFGS calls `forward` several
       times); and in evaluation mode, at the end of each epoch, for each batch of validation rows.
       A step that is repeated calls `draw` alone (see `repeatable`). Callbacks of the method may
       call `encode` and `decode` between epochs.
    5. `draw`, then `forward`, in evaluation mode: the loss after training; then `reconstruct`,
       where training was of no use and there may be reason to say so.
    6. `encode`, where the estimator remembers codes or has loadings, and `decode`, where codes are
       ordered; from then on, at the user's call, `encode`, `decode`, `reconstruct` and `split`,
       without a gradient and also on a copy of the module in another precision.

    `draw_normal` is no hook, and serves `draw`. What is gained by each hook, and by those that
    `AutoencoderModule` and `VAEModule` add, stands in ``docs/extending.md``.
    """

    # What a class says of itself

    #: Whether what the module returns is a function of its inputs, parameters and buffers, so that
    #: a step may be repeated without its Python code. A promise for the class that states it in
    #: its own body and for what it inherits, never for a subclass with code of its own.
    repeatable: ClassVar[bool] = False

    #: Whether `draw` or `forward` may draw from torch's global generator. The engine then seeds it
    #: from the estimator's `random_state`, under a lock, and gives it back as it was.
    draws_globally: bool = False

    #: Names of the terms whose sum stopping and best weights watch; ``"loss"`` is the sum of all.
    monitored: tuple[str, ...] = ("loss",)

    # What the engine asks

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that weight decay leaves alone beside vectors and numbers.

        By default none: decay works on all parameters with two dimensions or more.
        """
        return []

    def step_sizes(self) -> dict[Tensor, float]:
        """Return the parameters whose learning rate is not that of the fit, and by what factor.

        By default none.
        """
        return {}

    def draw(self, n_rows: int, generators: Mapping[str, Generator]) -> tuple[Any, ...]:
        """Return the random inputs of one step, by default none.

        Parameters
        ----------
        n_rows : int
            Number of rows of the batch.
        generators : mapping of str to torch.Generator
            By purpose: ``"dropout"``, ``"noise"``, ``"corruption"``, ``"prefixes"``, and
            ``"own"``, from which no module of skae draws.

        Returns
        -------
        draws : tuple
            Tensors, None, or tuples of them: what `forward` takes after the rows.
        """
        return ()

    def forward(self, x: Tensor, *draws: Any) -> dict[str, Tensor]:
        """Return the terms of the objective, whose sum is minimised.

        Parameters
        ----------
        x : tensor of shape (batch, n_columns)
            Rows, and what the estimator puts beside them, a condition for instance.
        *draws
            What `draw` has returned.

        Returns
        -------
        terms : dict of str to tensor
            Of shape (batch,), a number for each row, whose weighted mean the engine takes; or of
            shape () for a term that exists for a whole batch only. The names are those of the
            history, after ``train_`` and ``valid_``, and the same in every step; ``"loss"``,
            their sum, is taken.
        """
        raise NotImplementedError

    def draw_normal(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Return standard normal numbers, on the device and in the precision of the parameters."""
        like = next(self.parameters())
        return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)

    # What every estimator asks

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes, (batch, n_components), of rows (batch, n_columns)."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of the rows, (batch, n_features), given codes (batch, n_components)."""
        raise NotImplementedError

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return what code and decoder make of rows (batch, n_columns): (batch, n_features)."""
        return self.decode(self.encode(x))

    def start_output(self, mean: Tensor) -> None:
        """Let the decoder start near the mean of the data, (n_features,); by default nowhere.

        The mean is in double precision, as all that a start is given.
        """

    def start_linear(self, components: Tensor, variances: Tensor, mean: Tensor) -> None:
        """Set the linear path, where there is one, to the principal components.

        Parameters
        ----------
        components : tensor of shape (n_components, n_features)
            Orthonormal rows; those beyond the rank of the data are zero.
        variances : tensor of shape (n_components,)
            Of the data along them.
        mean : tensor of shape (n_features,)
        """
        raise NotImplementedError

    # What the estimator of a density asks

    def split(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the part of the columns that is modelled, and the condition or None.

        By default all columns, (batch, n_features), and None.
        """
        return x, None

    def start_noise(self, variance: Tensor) -> None:
        """Set the noise variance of p(x | z), () or (n_features,); by default there is none."""

    def start_posterior(
        self,
        loadings: Tensor,
        gain: Tensor,
        variances: Tensor,
        mean: Tensor,
        slopes: Tensor | None = None,
    ) -> None:
        """Set the linear path, where there is one, to a linear Gaussian model.

        E[x | z] = mean + W z, and q(z | x) = N(gain (x - mean), variances).

        Parameters
        ----------
        loadings : tensor of shape (n_components, n_features)
            W, transposed.
        gain : tensor of shape (n_components, n_features)
        variances : tensor of shape (n_components,)
        mean : tensor of shape (n_features,)
        slopes : tensor of shape (n_features, n_conditions) or None
            What a condition adds to the mean, in a linear model of it.
        """
        raise NotImplementedError
