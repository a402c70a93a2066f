"""A plain autoencoder in a plain loop, as one would write it without a library; see defaults.py.

torch's own initialisation, ReLU, Adam at a constant rate, the squared error, no linear path, no
weight decay. The rate is the one of `RATES` with the least error on a tenth of the training rows
after all epochs; then all training rows are fitted at that rate.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

RATES = (5e-4, 1e-3, 2e-3)


class BareNetwork:
    """Centres the data, divides them by one number, and trains d-widths-k-widths-d.

    Parameters
    ----------
    n_components : int
    widths : tuple of int
    batch_size : int
    n_epochs : int
    seed : int
    """

    def __init__(self, n_components, widths, batch_size, n_epochs, seed):
        self.n_components, self.widths, self.seed = n_components, tuple(widths), seed
        self.batch_size, self.n_epochs = batch_size, n_epochs

    def fit(self, X):
        self.mean_ = X.mean(axis=0)
        self.scale_ = np.sqrt(np.square(X - self.mean_).mean()) or 1.0
        rows = self._enter(X)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed))
        valid, train = order.tensor_split([max(1, len(rows) // 10)])

        def error_at(rate):
            encoder, decoder = self._train(rows[train], rate)
            with torch.no_grad():
                return (decoder(encoder(rows[valid])) - rows[valid]).square().sum().item()

        self.rate_ = min(RATES, key=error_at)
        self.encoder_, self.decoder_ = self._train(rows, self.rate_)
        return self

    def _train(self, rows, rate):
        torch.manual_seed(self.seed)
        sizes = [rows.shape[1], *self.widths, self.n_components]
        encoder, decoder = make_layers(sizes), make_layers(sizes[::-1])
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=rate)
        for _ in range(self.n_epochs):
            for index in torch.randperm(len(rows)).split(self.batch_size):
                x = rows[index]
                loss = (decoder(encoder(x)) - x).square().sum(dim=1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return encoder, decoder

    def _enter(self, X):
        return torch.from_numpy((X - self.mean_) / self.scale_).float()

    @torch.no_grad()
    def transform(self, X):
        return self.encoder_(self._enter(X)).double().numpy()

    @torch.no_grad()
    def inverse_transform(self, Z):
        return (
            self.decoder_(torch.from_numpy(Z).float()).double().numpy() * self.scale_ + self.mean_
        )


def make_layers(sizes):
    """Return linear maps with ReLU between them."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
