"""The arguments that methods share, in words; see `subclassing` for where they are put."""

from .subclassing import Entry

SHARED_ARGUMENTS = {
    "X": Entry("{array-like, CSR matrix} of shape (n_samples, n_features)", None, ""),
    "y": Entry("Ignored", None, "Present for scikit-learn's convention."),
    "condition": Entry(
        "array-like of shape (n_samples,) or (n_samples, n_numbers)",
        None,
        "Class labels of one kind (one-dimensional), or numbers (two-dimensional).",
    ),
    "sample_weight": Entry(
        "array-like of shape (n_samples,)", None, "Weight of each row in the mean."
    ),
    "codes": Entry(
        '{"fitted", "prior"}',
        '"fitted"',
        'What codes are drawn from. "fitted": manifold Parzen windows, around each of at most\n'
        "10000 codes of training rows a Gaussian as its 15 nearest neighbours lie (Vincent and\n"
        'Bengio 2002), and after `forget_rows` a Gaussian mixture. "prior": the prior itself,\n'
        "which codes of real rows seldom fill.",
    ),
    "n_samples": Entry("int", None, "Number of rows."),
    "random_state": Entry(
        "int, RandomState instance or None",
        None,
        "None takes the estimator's `random_state`; where that was None too, each call draws\n"
        "anew.",
    ),
}
