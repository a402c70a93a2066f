"""Memory, measured in a process that has done nothing else; and what the import costs."""

import subprocess
import sys
from pathlib import Path

import pytest

LAWS = Path(__file__).with_name("memory_laws.py")


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_the_laws_of_memory_hold_in_a_fresh_process(which):
    """After other tests the heap is full of holes, whose pages would count when they are used."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "-m", which, str(LAWS)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=LAWS.parents[1])
    assert run.returncode == 0, run.stdout


# The import


def test_torch_is_not_imported_before_it_is_used():
    script = "import sys, skae; print([m for m in ('torch', 'skorch') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


def test_the_import_costs_less_than_half_of_that_of_sklearn():
    """It takes a twentieth; torch would take as long as sklearn, twice what is allowed."""

    def seconds(module):
        script = f"import {module}, time; print(time.process_time())"
        run = [sys.executable, "-c", script]
        return min(float(subprocess.check_output(run)) for _ in range(2))

    assert seconds("skae") < seconds("sklearn") / 2
