"""What ordered codes ask of a variational autoencoder, beside `nested_dropout`."""

import torch


class NestedVAE:
    """Part of a module whose dropped numbers take their prior, and are noise to what is left."""

    def log_noise_ratio(self, prefix):
        """Return by what noise grows where only a prefix is known, (batch, 1) or (1,), or None."""
        if self.is_bernoulli:
            return None
        return (self.log_noise_ratios - self.log_noise_ratios[-1])[prefix][..., None]

    def losses_of_prefixes(self, x, generators, *moments):
        """Return minus the bound of log p(x) of each row with each prefix, under equal noise."""
        *draws, _ = self.draw(len(x), generators)
        prefixes = torch.arange(self.n_components, device=x.device)[:, None].expand(-1, len(x))
        terms = [self(x, *draws, prefix) for prefix in prefixes]
        return torch.stack([sum(parts.values()) for parts in terms], dim=1)

    def weights_of_prefix(self, size):
        """Return what a module with the first `size` numbers of an ordered code has learnt."""
        weights = super().weights_of_prefix(size)
        if not self.is_bernoulli:
            noise = self.noise_variance() * self.log_noise_ratio(size - 1)[0].exp()
            weights["log_noise"] = self.to_log_noise(noise)
            weights["log_noise_ratios"] = weights["log_noise_ratios"][:size]
        return weights

    def outputs_of_prefix(self, size):
        """Return which outputs of the encoder belong to the first `size` numbers of the code."""
        n_outputs, k = self.encoder.n_out, self.n_components
        entries = range(2 * k, min(n_outputs, 2 * k + size * (size - 1) // 2))
        return [*range(size), *range(k, min(n_outputs, k + size)), *entries]

    @torch.no_grad()
    def start_prefixes(self, loadings, noise):
        """Start at the noise that the first numbers of a linear Gaussian model's code leave.

        Parameters
        ----------
        loadings : tensor of shape (n_components, n_features)
        noise : tensor of shape () or (n_features,)
        """
        explained = loadings.square().mean(dim=1).cumsum(0)
        self.log_noise_ratios.copy_((1 + (explained[-1] - explained) / noise.mean()).log())
