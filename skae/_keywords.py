"""Unknown keywords of constructors: the error says which parameter was probably meant."""

import difflib
import functools
import inspect

# Words of other packages, for each parameter that has the same purpose here.
WORDS = {
    "activation": "activation_function hidden_activation nonlinearity",
    "alpha": "weight_decay l2 l2_reg l2_regularization",
    "batch_size": "batch batchsize minibatch_size",
    "beta": "kl_weight kld_weight",
    "channels": "filters n_filters",
    "corruption_level": "noise noise_factor noise_level noise_std",
    "dropout": "dropout_prob dropout_rate p_dropout",
    "hidden_layer_sizes": (
        "encoder_layers hidden_dim hidden_dims hidden_layers hidden_neuron_list hidden_neurons "
        "hidden_size hidden_sizes hidden_units layer_sizes layers n_hidden n_layers units"
    ),
    "learning_rate_init": "eta eta0 lr step_size",
    "likelihood": "criterion distribution loss loss_fn recon_loss reconstruction_loss",
    "max_iter": "epoch epochs max_epochs n_epoch n_epochs n_iter num_epochs",
    "n_components": (
        "bottleneck bottleneck_size code_dim code_size embedding_dim encoding_dim encoding_size "
        "latent_dim latent_dims latent_features latent_size n_dims n_latent z_dim"
    ),
    "n_iter_no_change": "patience",
    "n_nonzero_coefs": "k top_k topk",
    "optimizer": "optim optimiser",
    "output_activation": "decoder_activation final_activation last_activation",
    "penalty": "l1 lam lambda_ sparsity_weight",
    "random_state": "manual_seed random_seed seed",
    "rho": "sparsity_level sparsity_target",
    "scaling": "normalize preprocessing scale standardize",
    "tied_weights": "tie_weights tied",
    "validation_fraction": "val_split validation_size validation_split",
}
MEANT = {word: name for name, words in WORDS.items() for word in words.split()}


def explains_unknown_keywords(constructor):
    """Return a constructor whose TypeError of an unknown keyword says which one was meant."""
    known = [p.name for p in inspect.signature(constructor).parameters.values()][1:]

    @functools.wraps(constructor)
    def __init__(self, *args, **kwargs):
        for name in kwargs:
            if name not in known:
                raise TypeError(_explain(type(self), name, known))
        constructor(self, *args, **kwargs)

    return __init__


def _explain(cls, name, known):
    found = f"{cls.__name__}() got an unexpected keyword argument {name!r}"
    if any(name in vars(parent).get("_fixed_parameters", ()) for parent in cls.__mro__):
        return f"{cls.__name__} has no parameter {name!r}: its value is fixed."
    if meant := did_you_mean(name, known, MEANT):
        return f"{found}: did you mean {meant!r}?"
    return f"{found}. Its parameters are {', '.join(sorted(known))}."


def did_you_mean(word, known, meant=None):
    """Return which of the known words was probably meant, or None.

    Parameters
    ----------
    word : str
    known : iterable of str
    meant : dict or None, default=None
        Known words by other words for them.
    """
    by_lower = {name.lower(): name for name in known}
    other = (meant or {}).get(word.lower())
    if other in by_lower.values():
        return other
    close = difflib.get_close_matches(word.lower(), by_lower, 1)
    return by_lower[close[0]] if close else None
