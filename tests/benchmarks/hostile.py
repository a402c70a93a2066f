"""What comes of many hostile cases: a table of counts, and the simplest case of each fault.

    python tests/benchmarks/hostile.py [--examples 5000] [--seed 1234]
        [--estimators Autoencoder VAE] [--findings findings.md]

The cases are those of ``tests/test_hostile.py``, drawn further; no fault ends the run. The seed is
drawn and printed unless it is given.
"""

import argparse
import collections
import secrets
import sys
import time
from pathlib import Path

from hypothesis import given, seed, settings
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import HOSTILE_ESTIMATORS, cases, simplified
from oracle import CLEAR_ERROR, FINITE, Fault, check, signature_of
from test_hostile import HOSTILE

KINDS = (
    FINITE,
    CLEAR_ERROR,
    "unclear error",
    "not finite",
    "not the same twice",
    "names or dates ignored",
    "surroundings moved",
    "foreign warning",
    "wrong shape",
    "fitted after an error",
    "crash",
)


def run(name, n_examples, number):
    """Return Counter of (feature, kind), and {signature: [count, shortest case, message]}.

    The features of a case are the name of its estimator, and what is special about it.
    """
    counts, faults = collections.Counter(), {}

    @seed(f"{name} {number}")
    @settings(HOSTILE, max_examples=n_examples)
    @given(cases(name))
    def judge(case):
        try:
            kind = check(case)
        except Fault as fault:
            kind = fault.kind
            _note(faults, case, fault)
        counts.update((feature, kind) for feature in [name, *case.features()])

    judge()
    return counts, faults


def _note(faults, case, fault):
    known = faults.setdefault(fault.signature(), [0, case, fault.message])
    known[0] += 1
    if len(repr(case)) < len(repr(known[1])):
        known[1:] = case, fault.message


def print_table(counts, estimators):
    """Print a row for each estimator and each feature, and a column for each kind."""
    print(f"{'':30}" + "".join(f"{kind.replace(' ', '_'):>23}" for kind in KINDS))
    for kind in KINDS:
        counts["all", kind] = sum(counts[name, kind] for name in estimators)
    features = sorted({feature for feature, _ in counts} - {*estimators, "all"})
    for feature in [*estimators, "all", *features]:
        print(f"{feature:30}" + "".join(f"{counts[feature, kind]:23}" for kind in KINDS))


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
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--estimators", nargs="+", default=list(HOSTILE_ESTIMATORS))
    parser.add_argument("--findings", type=Path)
    options = parser.parse_args()
    each = -(-options.examples // len(options.estimators))
    counts, text = collections.Counter(), []
    print(f"seed {options.seed}", flush=True)
    for name in options.estimators:
        start = time.process_time()
        with threadpool_limits(1):
            found, faults = run(name, each, options.seed)
        counts += found
        seconds = time.process_time() - start
        text.append(describe(name, faults))
        print(f"{name}: {each} cases, {seconds:.0f} s", flush=True)
        if options.findings:
            options.findings.write_text("\n".join(text))
    print_table(counts, options.estimators)
    print("\n" + "\n".join(text))


if __name__ == "__main__":
    main()
