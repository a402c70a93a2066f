"""Units of a sparse code that no row activates: counted, and given work."""

import torch
from skorch.callbacks import Callback
from torch.nn import functional as F

from .. import _ranks
from ..nn.networks import own_layers

REVIVED_AT_ONCE = 0.05  # share of the units: more of them would disturb the ones at work


class Revival(Callback):
    """Count the units that were silent for an epoch; give them work while there is time.

    A silent unit takes the direction of what a badly reconstructed row lacks (after Bricken et al.
    2023), and the optimizer's memory of it is erased.

    Parameters
    ----------
    n_epochs : int
        Nothing is revived in the last quarter of them.
    revive : bool
    """

    def __init__(self, n_epochs, revive):
        self.n_epochs, self.revive = n_epochs, revive

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        # A later fit has time of its own; passes over a stream, one by one, are one long fit.
        self.n_before = len(net.history) if net.n_epochs_ > 1 else 0

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        net.module_.n_firings.zero_()

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        silent = (_ranks.total(net.module_.n_firings) == 0).nonzero()[:, 0]
        net.history.record("n_dead_units", len(silent))
        epoch = len(net.history) - self.n_before
        built_in = own_layers(net.module_.encoder)
        if self.revive and built_in and len(silent) and epoch <= 0.75 * self.n_epochs:
            share = max(REVIVED_AT_ONCE, 3 / self.n_epochs)  # a short training must hurry
            few = silent[: max(1, int(share * len(net.module_.n_firings)))]
            with torch.no_grad():
                self._revive(net, few, dataset_train)

    def _revive(self, net, silent, batches):
        module, generator = net.module_, net.generators["noise"]
        residual = self._badly_reconstructed(module, batches, len(silent), generator)
        turn = len(net.history) % _ranks.n_ranks()  # rows of each rank come in turn
        residual = _ranks.from_rank(residual.cpu(), turn).to(residual)
        encoder, units = module.encoder.layers[-1], [module.encoder.layers[-1].weight]
        if own_layers(module.decoder):
            units.append(module.decoder.layers[0].weight.T)
        for weight in units:  # (n_components, width)
            direction = residual
            if weight.shape[1] != residual.shape[1]:  # behind hidden layers: anywhere
                shape = (len(silent), weight.shape[1])
                drawn = torch.randn(shape, generator=generator, device=weight.device)
                direction = _ranks.from_rank(drawn.cpu(), turn)
            weight[silent] = F.normalize(direction.to(weight), dim=1)
        encoder.bias[silent] = 0.0  # an offset would make it fire where it does not belong
        net.forget(encoder.weight, silent)
        net.forget(encoder.bias, silent)
        if len(units) > 1:
            net.forget(module.decoder.layers[0].weight, (slice(None), silent))

    def _badly_reconstructed(self, module, batches, n_rows, generator):
        """Return what rows lack, drawn with odds of their squared error."""
        device = batches.rows.device
        drawn = torch.randint(
            len(batches), (max(1024, 2 * n_rows),), generator=generator, device=device
        )
        x = batches.rows.take(drawn if batches.index is None else batches.index[drawn])
        module.eval()
        h = module.encode(x)
        odds = (x - module.decode(h)).square().sum(dim=1) + torch.finfo(x.dtype).tiny
        lacking = x - module.decode(module.with_room(h))
        return lacking[torch.multinomial(odds, n_rows, generator=generator)]
