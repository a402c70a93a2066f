"""Networks, distributions and the rest of the mathematics in torch. Private."""
