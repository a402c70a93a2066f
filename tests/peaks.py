"""Peak memory of a call, of this process as Linux counts it."""

import ctypes
import gc
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MMAP_THRESHOLD = -3  # of glibc's mallopt
SMALL, LARGE = 2**17, 2**25  # bytes above which memory is handed back as soon as it is freed


def is_measurable():
    """Whether the peak can be read and reset here."""
    try:
        CLEAR_REFS.write_text("5")
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True


def _read(name):
    """Return an entry of the status, in bytes."""
    lines = STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def added_bytes(function, *args, **kwargs):
    """Return by how many bytes the memory of the process rose, at its peak, during a call.

    What was freed before is handed back first, else it would be taken again unseen; and what is
    freed during the call at once, else holes between blocks would count.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_THRESHOLD, SMALL)
    gc.collect()
    libc.malloc_trim(0)
    CLEAR_REFS.write_text("5")  # the peak is now what is
    before = _read("VmRSS")
    try:
        result = function(*args, **kwargs)
        peak = _read("VmHWM") - before
    finally:
        libc.mallopt(MMAP_THRESHOLD, LARGE)
    del result
    return peak


def least_added_bytes(limit, function, *args, **kwargs):
    """Return the least of up to four measurements, the first below a limit being enough.

    What a call needs it needs each time; what the heap adds depends on what ran before.
    """
    found = []
    while len(found) < 4 and min(found, default=limit) >= limit:
        found.append(added_bytes(function, *args, **kwargs))
    return min(found)
