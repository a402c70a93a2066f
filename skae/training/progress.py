"""What `verbose` prints: one line that changes on a terminal, else a line for each epoch."""

import shutil
import sys
import time

INTERVAL = 0.1  # seconds between two changes of a line: nobody reads faster


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


class Line:
    """A line on a terminal that is written over by the next, or lines where there is none.

    Parameters
    ----------
    n_steps : int or None
        How many there are at most; None where nobody knows.
    is_one : bool, default=True
        False asks for a line of its own for each step, also on a terminal.
    """

    def __init__(self, n_steps, is_one=True):
        self.n_steps, self.changes = n_steps, is_one and is_terminal()
        self.n_shown, self.width, self.text = 0, 0, None
        self.start = self.last = time.monotonic()

    def show(self, text):
        """Show the text of one more step."""
        self.n_shown += 1
        if not self.changes:
            write(text)
            return
        self.text = text + self._say_what_is_left()
        if self.n_shown == 1 or time.monotonic() - self.last >= INTERVAL:
            self._print("")

    def end(self):
        """Leave the line as it is last, and go to the next."""
        if self.text is not None:
            self._print("\n")
            self.text = None

    def _print(self, ending):
        # A line that is wider than the terminal would break, and could not be written over.
        text = self.text[: shutil.get_terminal_size().columns - 1]
        print("\r" + text.ljust(self.width), end=ending, flush=True)
        self.width, self.last = len(text), time.monotonic()

    def _say_what_is_left(self):
        if self.n_steps is None or self.n_shown >= self.n_steps:
            return ""
        each = (time.monotonic() - self.start) / self.n_shown
        return f"   {each * (self.n_steps - self.n_shown):.0f} s left"
