"""What comes of many hostile cases: a table of counts, and the simplest case of each fault.

    python tests/benchmarks/hostile.py [--examples 5000] [--estimators Autoencoder VAE]
        [--findings findings.md]

The cases are those of ``tests/test_hostile.py``, drawn further; no fault ends the run.
"""

import argparse
import collections
import sys
import time
from pathlib import Path

from hypothesis import given, seed, settings
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import cases, simplified
from estimators import DEFAULTS
from oracle import CLEAR_ERROR, FINITE, Fault, check, signature_of
from test_hostile import HOSTILE

KINDS = (
    FINITE,
    CLEAR_ERROR,
    "unclear error",
    "not finite",
    "not the same twice",
    "surroundings moved",
    "foreign warning",
    "wrong shape",
    "fitted after an error",
    "crash",
)


def run(name, n_examples):
    """Return Counter of kinds, and {signature: [count, shortest case, message]}."""
    counts, faults = collections.Counter(), {}

    @seed(name)
    @settings(HOSTILE, max_examples=n_examples)
    @given(cases(name))
    def judge(case):
        try:
            counts[check(case)] += 1
        except Fault as fault:
            counts[fault.kind] += 1
            _note(faults, case, fault)

    judge()
    return counts, faults


def _note(faults, case, fault):
    known = faults.setdefault(fault.signature(), [0, case, fault.message])
    known[0] += 1
    if len(repr(case)) < len(repr(known[1])):
        known[1:] = case, fault.message


def print_table(counts):
    """Print a row for each estimator and a column for each kind."""
    print(f"{'':24}" + "".join(f"{kind.replace(' ', '_'):>23}" for kind in KINDS))
    total = sum(counts.values(), collections.Counter())
    for name, row in [*counts.items(), ("all", total)]:
        print(f"{name:24}" + "".join(f"{row[kind]:23}" for kind in KINDS))


def describe(name, faults):
    """Return a paragraph for each fault, the most frequent first."""
    paragraphs = []
    for signature, (count, case, message) in sorted(faults.items(), key=lambda f: -f[1][0]):
        simplest = simplified(case, lambda c, wanted=signature: signature_of(c) == wanted)
        paragraphs.append(
            f"{name}, {count} times: {signature[0]}: {message}\n\n    {simplest!r}\n"
        )
    return "\n".join(paragraphs)


def main():
    """Draw, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--estimators", nargs="+", default=list(DEFAULTS))
    parser.add_argument("--findings", type=Path)
    options = parser.parse_args()
    each = -(-options.examples // len(options.estimators))
    counts, text = {}, []
    for name in options.estimators:
        start = time.process_time()
        with threadpool_limits(1):
            counts[name], faults = run(name, each)
        seconds = time.process_time() - start
        text.append(describe(name, faults))
        print(f"{name}: {sum(counts[name].values())} cases, {seconds:.0f} s", flush=True)
        if options.findings:
            options.findings.write_text("\n".join(text))
    print_table(counts)
    print("\n" + "\n".join(text))


if __name__ == "__main__":
    main()
