"""The fast path: the operations of a step, written down and repeated. Private."""
