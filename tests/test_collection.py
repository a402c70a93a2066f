"""The suite is found however pytest is started."""

import subprocess
import sys
from pathlib import Path

import pytest

# As `pytest` does, not `python -m pytest`: without the root of the repository in the path.
SCRIPT = """
import sys
sys.modules["tests"] = None
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_the_suite_is_collected_from_anywhere(tmp_path):
    options = ["-o", "addopts=", "-q", "--collect-only", str(Path(__file__).parent)]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *options, "--ignore-glob=*benchmarks*"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout
