"""Set before numpy and torch are imported, by every process of the tests."""

import os

# Processes that run side by side, with as many threads each as there are cores, wait for each
# other: the clusters of a Gaussian mixture take fifty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
