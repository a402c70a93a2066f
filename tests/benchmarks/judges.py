"""Judges of drawn rows: how well are they told from held-out ones, how near to training rows?"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import NearestNeighbors

from skae.metrics import copy_share


def told_apart(classifier, held_out, drawn, n_folds, seed=0):
    """Return the accuracy with which a classifier tells drawn rows from held-out ones.

    By cross-validation over shuffled folds: rows that are drawn component by component, or label
    by label, would else be judged by a classifier that has seen none of their kind.

    Parameters
    ----------
    classifier : estimator
    held_out, drawn : arrays of shape (n_samples, n_features)
        As many rows of each, so that 0.5 is perfect.
    n_folds : int
    seed : int
        Determines the folds.
    """
    if len(held_out) != len(drawn):
        raise ValueError(
            f"Held-out and drawn rows must be as many. Got {len(held_out)} and {len(drawn)}."
        )
    rows, is_drawn = np.vstack([held_out, drawn]), np.repeat([0, 1], len(drawn))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return cross_val_score(classifier, rows, is_drawn, cv=folds).mean()


class Judge:
    """What compares draws with unseen rows.

    Parameters
    ----------
    X, y : arrays
        All rows and their labels.
    n_train : int
    """

    def __init__(self, X, y, n_train):
        parts = train_test_split(X, y, train_size=n_train, random_state=0)
        self.train, self.unseen, self.y, self.y_unseen = parts
        self.classifier = LogisticRegression(max_iter=1000).fit(self.train, self.y)
        self.nearest = NearestNeighbors(n_neighbors=1).fit(self.train)

    def sureness(self, rows):
        """Return how sure a classifier is of rows."""
        return self.classifier.predict_proba(rows).max(axis=1).mean()

    def distance(self, rows):
        """Return the mean distance to the nearest training row."""
        return self.nearest.kneighbors(rows)[0].mean()

    def copies(self, rows):
        """Return the `copy_share` of rows."""
        return copy_share(rows, self.train, self.unseen)

    def told(self, rows):
        """Return the accuracy of boosted trees that tell rows from unseen ones."""
        trees = HistGradientBoostingClassifier(random_state=0)
        return told_apart(trees, self.unseen, rows, n_folds=5)

    def apart(self, rows):
        """Return the accuracy of a nearest neighbour that tells rows from unseen ones."""
        kind = np.repeat([0, 1], [len(self.unseen), len(rows)])
        near = NearestNeighbors(n_neighbors=1).fit(np.vstack([self.unseen, rows]))
        nearest = near.kneighbors(return_distance=False)[:, 0]  # of the other rows
        return (kind[nearest] == kind).mean()
