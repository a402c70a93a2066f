"""Batches of rows, in the order in which a pass takes them."""

import itertools

import torch

from .sources import RowsOnDevice
from .tables import chunk_size, iter_chunks

RUN_STEPS = 64  # steps taken in one call, where that is possible
RUN_BYTES = 2**20  # and rows gathered at once for them
MOST_CELLS = 2**24  # of a table that is made to have more columns beside the rows


class Batches:
    """Batches of rows, as ``(x, weights)``; in a fresh order each time if there is a generator.

    A last batch of a single row joins the one before it: statistics of one row do not exist.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
    weights : tensor of shape (n_samples,) or None
    batch_size : int
    index : tensor of int64 or None
        Which rows to use; None for all.
    generator : torch.Generator or None
        Shuffles; None: the rows' own order.
    """

    def __init__(self, rows, weights, batch_size, index=None, generator=None):
        self.rows, self.weights, self.index = rows, weights, index
        self.batch_size, self.generator = batch_size, generator

    def __len__(self):
        return len(self.rows) if self.index is None else len(self.index)

    def weights_of_source(self):
        """Return the weight of each row of the source, 0 for those that are not used, or None."""
        if self.index is None:
            return self.weights
        used = self.rows.span(slice(0, 1)).new_zeros(len(self.rows))
        used[self.index] = 1.0 if self.weights is None else self.weights[self.index]
        return used

    def _spans(self):
        n, size = len(self), self.batch_size
        edges = list(range(0, n, size)) + [n]
        if len(edges) > 2 and edges[-1] - edges[-2] == 1 and size > 1:
            del edges[-2]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    @property
    def sizes(self):
        """Number of rows of each batch of one pass."""
        return [span.stop - span.start for span in self._spans()]

    def _order(self):
        if self.generator is None:
            return self.index
        device = self.rows.device
        order = torch.randperm(len(self), generator=self.generator, device=device)
        return order if self.index is None else self.index[order]

    def __iter__(self):
        order = self._order()
        for span in self._spans():
            yield self._gather(order, span)

    def widened(self, n_more, columns_of):
        """Return these batches with more columns beside the rows, or as they are if too large.

        Parameters
        ----------
        n_more : int
            Number of further columns.
        columns_of : callable
            Returns them, (n, n_more), for some rows.
        """
        n_rows, n_columns = self.rows.shape
        width = n_columns + n_more
        if n_rows * width > MOST_CELLS:
            return self
        like = self.rows.span(slice(0, 1))
        data = torch.empty(n_rows, width, dtype=like.dtype, device=like.device)
        for span in iter_chunks(n_rows, chunk_size(width)):
            x = self.rows.span(span)
            data[span] = torch.cat([x, columns_of(x)], dim=1)
        rows = RowsOnDevice(data, None, data.dtype)
        return Batches(rows, self.weights, self.batch_size, self.index, self.generator)

    def without_weight(self, n):
        """Yield the first batch n times, in which no row counts."""
        for span in self._spans()[:1] * n:
            x, _ = self._gather(self.index, span)
            yield x, x.new_zeros(len(x))

    def runs(self):
        """Yield lists of consecutive batches of one size, each list gathered in one go."""
        order = self._order()
        n_together = self._n_together()
        for size, spans in itertools.groupby(self._spans(), lambda span: span.stop - span.start):
            while run := list(itertools.islice(spans, n_together)):
                x, w = self._gather(order, slice(run[0].start, run[-1].stop))
                weights = [None] * len(run) if w is None else w.split(size)
                yield list(zip(x.split(size), weights, strict=True))

    def _n_together(self):
        batch_bytes = self.batch_size * self.rows.span(slice(0, 1)).nbytes
        return min(RUN_STEPS, max(1, RUN_BYTES // batch_bytes))

    def _gather(self, order, span):
        if order is None:
            return self.rows.span(span), None if self.weights is None else self.weights[span]
        index = order[span]
        return self.rows.take(index), None if self.weights is None else self.weights[index]
