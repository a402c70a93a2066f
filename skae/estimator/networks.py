"""The networks of an estimator: ours, or those of the user.

What a user gives is refused with an explanation where it cannot work.
"""

import copy

import torch
from torch import nn

from .._torch import has_legacy_norm, is_constructed
from ..nn.network import BaseNetwork
from ..nn.networks import MLP
from ..training.randomness import seeded_global_generator
from .choices import has_linear_path
from .recipes import recipe_of


def make_network(
    estimator, name, n_in, hidden_layer_sizes, n_out, generator, width=None, n_conditions=0
):
    """Return a network of ours, from a recipe, or the user's, as the parameter says.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Whose parameters say what is built.
    name : {"encoder", "decoder"}
        The parameter that may hold the user's.
    n_in : int
        Number of inputs.
    hidden_layer_sizes : list of int
        Widths of the hidden layers of ours.
    n_out : int
        Number of outputs.
    generator : torch.Generator
        Draws initial weights.
    width : str or None, default=None
        What the user's is to return for each row, in words; None for a code, or the features.
    n_conditions : int, default=0
        How many of an encoder's inputs are a condition beside the row.

    Returns
    -------
    network : torch.nn.Module
        On the CPU, in single precision unless the user's says otherwise.
    """
    given, recipe = getattr(estimator, name), recipe_of(estimator, name)
    if recipe is not None:
        start = {"linear_path": has_linear_path(estimator), "generator": generator}
        if name == "decoder":
            return recipe.make_decoder(n_in, n_out, **start)
        return recipe.make_encoder(n_in - n_conditions, n_out, n_conditions=n_conditions, **start)
    if given is None:
        return MLP(
            n_in,
            hidden_layer_sizes,
            n_out,
            activation=estimator.activation,
            dropout=estimator.dropout,
            linear_path=has_linear_path(estimator),
            generator=generator,
        )
    if width is None:
        width = f"{n_out} numbers, {'n_components' if name == 'encoder' else 'the features'}"
    device, dtype = estimator.device_, getattr(torch, estimator.dtype)
    return _make_user_network(
        name, given, n_in, n_out, width, device=device, dtype=dtype, generator=generator
    )


def _make_user_network(name, given, n_in, n_out, width, *, device, dtype, generator):
    """Return a network of the user's, new or a copy, checked.

    Parameters
    ----------
    name : {"encoder", "decoder"}
    given : nn.Module or callable
        An instance is copied; a class or a factory is called with `n_in` and `n_out`.
    n_in, n_out : int
    width : str
        What it is to return for each row, in words.
    device : str
    dtype : torch.dtype
    generator : torch.Generator
        Seeds torch's global one meanwhile.
    """
    with seeded_global_generator(generator):
        is_template = isinstance(given, nn.Module)
        network = copy.deepcopy(given) if is_template else _call(name, given, n_in, n_out)
        _check_tensors(name, network)
        if not is_template:
            _check_is_new(name, network)
        network.to(device, dtype)
        _check_output(name, network, n_in, n_out, dtype, width)
    if isinstance(network, BaseNetwork):
        network.built_in = False
    return network


def _call(name, factory, n_in, n_out):
    """Return a new network from a factory of the user's."""
    try:
        network = factory(n_in, n_out)
    except Exception as error:
        raise ValueError(
            f"{name} must make a network when it is called as {name}({n_in}, {n_out}). "
            f"It raised {type(error).__name__}: {error}{_advise_on_class(factory)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{name} must make a network, an nn.Module, when it is called as "
            f"{name}({n_in}, {n_out}). Got {_describe_no_network(network)}."
        )
    return network


def _check_is_new(name, network):
    """Refuse a network that a factory has not made just now."""
    if any(p.grad is not None for p in network.parameters()):
        raise ValueError(
            f"{name} must make a new network each time it is called, and this one has been "
            f"trained before. To start from it pass {name}=network: an instance is copied."
        )


def _advise_on_class(factory):
    """Say what to pass in place of a class that takes other arguments than two numbers."""
    if not (isinstance(factory, type) and issubclass(factory, nn.Module)):
        return ""
    name = factory.__name__
    return f". If {name} takes other arguments, pass an instance, {name}(...), which is copied."


def _describe_no_network(given):
    if given is None:
        return "None instead, as from a function without return"
    if isinstance(given, type):
        return f"the class {given.__name__} instead, and no instance of it"
    if isinstance(given, (list, tuple)):
        return (
            f"a {type(given).__name__} instead: nn.Sequential(*layers) makes a network of layers"
        )
    return f"{type(given).__name__} instead"


def _check_tensors(name, network):
    """Refuse a user's network whose state cannot be moved, copied or put back."""
    if not is_constructed(network):
        raise ValueError(
            f"{name} must call super().__init__() in its constructor, as every nn.Module does. "
            f"{type(network).__name__} does not."
        )
    tensors = [*network.parameters(), *network.buffers()]
    if any(t.is_meta for t in tensors):
        raise ValueError(f"{name} must have its parameters in memory. Got some on device 'meta'.")
    if any(t.is_complex() for t in tensors):
        raise ValueError(f"{name} must have real parameters and buffers. Got complex ones.")
    if has_legacy_norm(network):
        raise ValueError(
            f"{name} must not use torch.nn.utils.weight_norm or spectral_norm, whose networks "
            "cannot be copied. Use those of torch.nn.utils.parametrizations."
        )


def _check_output(name, network, n_in, n_out, dtype, width):
    """Refuse a user's network that does not map (n, n_in) to (n, n_out), `width` in words."""
    tensor = next(network.parameters(), torch.empty(0))
    zeros = torch.zeros(3, n_in, dtype=dtype, device=tensor.device)
    for is_training, n in ((False, 2), (True, 3)):
        wanted = f"{name} must take rows of {n_in} numbers and return, for each, {width}"
        case = f"Given {n} rows{' in training' * is_training}"
        try:
            out = _call_without_traces(network, zeros[:n], is_training)
        except Exception as error:
            raise ValueError(
                f"{wanted}. {case} of {dtype} it raised {type(error).__name__}: {error}"
            ) from error
        if not torch.is_tensor(out):
            raise TypeError(
                f"{name} must return a tensor. {case} it returned {type(out).__name__}."
            )
        if tuple(out.shape) != (n, n_out):
            raise ValueError(
                f"{wanted}, here the shape {(n, n_out)}. {case} it returned {tuple(out.shape)}."
            )
        if not out.is_floating_point():
            raise ValueError(f"{name} must return floating-point numbers. Got {out.dtype}.")
    if not all(map(torch.is_tensor, network.state_dict().values())):
        raise ValueError(f"{name} must keep nothing but tensors in its state_dict.")


@torch.no_grad()
def _call_without_traces(network, x, is_training):
    """Return what a network makes of x, and leave its buffers and its mode as they were."""
    mode, buffers = network.training, [buffer.clone() for buffer in network.buffers()]
    try:
        return network.train(is_training)(x)
    finally:
        network.train(mode)
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)
