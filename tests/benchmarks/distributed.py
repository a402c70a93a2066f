"""How long a step of a fit takes on one process of one thread, and on ranks of one thread each.

    python tests/benchmarks/distributed.py [--workloads W1 W3] [--ranks 2] [--rounds 3]
        [--share 1.0]

Batches of all ranks together have as many rows as those of the one process; "each a whole batch"
gives every rank as many. Ranks are processes of this machine that talk by gloo. "Ordinary" steps
are those of a callback with a hook for each batch, in place of repeated ones. Printed are
milliseconds of a step, of the fastest epoch but the first in all rounds: contenders take turns,
and whatever else the machine does slows some epochs. Where it leaves no core for each rank, look
at the processor's time, of all threads of a rank: it is what a step takes at least on cores of its
own. `--share` takes a share of the rows of W1.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
import warnings
from datetime import timedelta

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, by ranks too

import numpy as np
import torch
from skorch.callbacks import Callback
from speed import WORKLOADS, estimator_of, make_data
from torch import distributed

EPOCHS = {"W1": 5, "W2": 12, "W3": 60}  # enough steps for them to be repeated


class Watch(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


class Clock(Callback):
    """Notes the time of the processor after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.times_ = []
        net.clock_ = self

    def on_epoch_end(self, net, **kwargs):
        self.times_.append(time.process_time())


# What a contender does: rows of the batch of a rank, as a share; whether steps are ordinary
CONTENDERS = {
    "one process": (None, False),
    "one process, ordinary steps": (None, True),
    "ranks": ("share", False),
    "ranks, ordinary steps": ("share", True),
    "ranks, each a whole batch": ("whole", False),
}


def measure(workload, contender, share, rank=None, n_ranks=1):
    """Return seconds of a step, of the processor in it, and of an exchange of gradients alone."""
    X, (kind, is_ordinary) = make_data(workload), CONTENDERS[contender]
    X = X[: round(share * len(X))] if workload == "W1" else X
    batch = WORKLOADS[workload][4] // (n_ranks if kind == "share" else 1)
    ae = estimator_of("Autoencoder", workload, EPOCHS[workload])
    ae.set_params(batch_size=batch, alpha=0.0, callbacks=[Clock()] + [Watch()] * is_ordinary)
    X = X if rank is None else X[rank::n_ranks]
    ae.set_params(distributed=rank is not None).fit(X)
    epochs = [row["dur"] for row in ae.history_[1:]]
    exchange = 0.0 if rank is None else seconds_of_exchange(ae.net_.flat_.numel())
    n_steps = ae.history_[0]["train_batch_count"]
    return min(epochs) / n_steps, min(np.diff(ae.net_.clock_.times_)) / n_steps, exchange


def seconds_of_exchange(n_numbers, n_times=50):
    gradient = torch.zeros(n_numbers)
    for _ in range(5):
        distributed.all_reduce(gradient)
    start = time.perf_counter()
    for _ in range(n_times):
        distributed.all_reduce(gradient)
    return (time.perf_counter() - start) / n_times


def take_part(rank, n_ranks, folder, workload, contender, share, answers):
    warnings.simplefilter("ignore")
    if n_ranks > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meet",
            rank=rank,
            world_size=n_ranks,
            timeout=timedelta(seconds=120),
        )
    found = measure(workload, contender, share, rank if n_ranks > 1 else None, n_ranks)
    if rank == 0:
        answers.put(found)
    if n_ranks > 1:
        distributed.destroy_process_group()


def run(workload, contender, share, n_ranks):
    context = multiprocessing.get_context("fork")
    n = 1 if CONTENDERS[contender][0] is None else n_ranks
    answers = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(
                target=take_part, args=(rank, n, folder, workload, contender, share, answers)
            )
            for rank in range(n)
        ]
        for process in processes:
            process.start()
        found = answers.get()
        for process in processes:
            process.join()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", default=["W1", "W3"], choices=WORKLOADS)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0)
    arguments = parser.parse_args()
    for workload in arguments.workloads:
        best = {}
        for _ in range(arguments.rounds):
            for contender in CONTENDERS:
                found = run(workload, contender, arguments.share, arguments.ranks)
                before = best.get(contender, found)
                best[contender] = tuple(map(min, before, found))
        print(f"\n{workload}, {arguments.ranks} ranks, milliseconds of a step; rows a second")
        print(f"{'':28}     step  processor  exchange     rows  at best")
        alone = best["one process"]
        for contender, (step, used, exchange) in best.items():
            factor = arguments.ranks if "whole" in contender else 1
            times = [1e3 * step, 1e3 * used, 1e3 * exchange]
            speed = [factor * alone[0] / step, factor * alone[1] / used]
            print(
                f"{contender:>28} {times[0]:8.2f}   {times[1]:8.2f}  {times[2]:8.2f} "
                f"{speed[0]:8.2f} {speed[1]:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
