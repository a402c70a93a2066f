"""What scikit-learn's callbacks are told of a fit: that it is a task, and each epoch one in it."""

from contextlib import contextmanager

from skorch.callbacks import Callback

from ..training.convergence import Converged

# What callbacks leave on an estimator, for the time of a fit or until they are taken off.
CALLBACKS = "_skl_callbacks"
DURING_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx", "_tasks")


class FitTasks:
    """A fit and its epochs, as tasks of scikit-learn's callbacks.

    Parameters
    ----------
    estimator : estimator
        With `_init_callback_context`, of scikit-learn 1.9 or later.
    **data : dict
        ``X``, ``y`` and ``metadata`` of the fit.
    """

    def __init__(self, estimator, **data):
        self.estimator, self.data = estimator, data
        self.fit = self.epoch = None

    def begin(self, n_epochs):
        """Begin the fit, which has so many epochs at most."""
        self.fit = self.estimator._init_callback_context(max_subtasks=n_epochs)
        self.fit.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def begin_epoch(self):
        """Begin an epoch."""
        self.epoch = self.fit.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, attributes):
        """End an epoch; return whether a callback asks to stop.

        Parameters
        ----------
        attributes : callable
            Returns those that make a fitted model of a copy of the estimator; only called where a
            callback wants one.
        """
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.data
        )

    def end(self):
        """End the fit."""
        self.fit.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: vars(self.estimator),
            **self.data,
        )


@contextmanager
def tasks_of_fit(estimator, one_pass, **data):
    """Let an estimator know its tasks in ``_tasks`` while it is fitted; None without callbacks."""
    is_asked = not one_pass and getattr(estimator, CALLBACKS, None)
    estimator._tasks = FitTasks(estimator, **data) if is_asked else None
    try:
        yield estimator._tasks
    finally:
        del estimator._tasks


def metadata_of(others):
    """Return what a scorer needs beside X and y, of the arguments of a fit."""
    return {name: value for name, value in others.items() if value is not None} or None


def without_callbacks(state):
    """Return the state of an estimator as it goes into files.

    An unfitted one keeps its callbacks: so it is sent to the processes of a search.
    """
    is_on_its_way = "_is_fitted" not in state and "_callback_fit_ctx" not in state
    left_out = DURING_FIT if is_on_its_way else (*DURING_FIT, CALLBACKS)
    return {name: value for name, value in state.items() if name not in left_out}


@contextmanager
def epochs_as_tasks(estimator, attributes):
    """Tell scikit-learn's callbacks of the epochs of a training, if there are any.

    Parameters
    ----------
    estimator : BaseAutoencoder
    attributes : callable
        As for `FitTasks.end_epoch`.
    """
    if estimator._tasks is None:
        yield
        return
    estimator._tasks.begin(estimator._n_epochs)
    estimator.net_.callbacks_.append(("tasks", EpochTasks(estimator._tasks, attributes)))
    try:
        yield
    finally:
        del estimator.net_.callbacks_[-1]


class EpochTasks(Callback):
    """Tell scikit-learn's callbacks of the epochs of an engine.

    Parameters
    ----------
    tasks : FitTasks
    attributes : callable
        As for `FitTasks.end_epoch`.
    """

    def __init__(self, tasks, attributes):
        self.tasks, self.attributes = tasks, attributes

    def on_epoch_begin(self, net, **kwargs):
        self.tasks.begin_epoch()

    def on_epoch_end(self, net, **kwargs):
        if self.tasks.end_epoch(self.attributes):
            raise Converged

    def on_train_end(self, net, **kwargs):
        if self.tasks.epoch is not None:  # another callback, or Ctrl-C, was faster
            self.tasks.end_epoch(self.attributes)
