"""Arrays on their way to tensors: checks, units, batches, moments. Private."""
