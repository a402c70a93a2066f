"""Training: the engine around skorch, optimizers, randomness, threads. Private."""
