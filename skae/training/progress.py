"""What `verbose` prints: a line for each epoch, plain text in files and pipes."""

import sys


def write(line):
    """Print a line, at once; services and windowed programs have nowhere to print to."""
    if sys.stdout is not None:
        print(line, flush=True)


def step_of(step, last):
    """Return "3/100"; a pass by itself, of a stream, is not the third of any number: "3"."""
    return str(step) if last is None else f"{step}/{last}"


def is_terminal():
    """Whether what is printed is read on a terminal, which knows colours."""
    isatty = getattr(sys.stdout, "isatty", None)  # a stand-in may do no more than write
    return isatty is not None and isatty()
