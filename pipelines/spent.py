"""What one forward and backward pass costs: process CPU time, and memory in a fork."""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Job = Callable[[Tensor, Tensor], Tensor]
"""(embeddings (N, d), labels (N,)) -> loss."""
Result = tuple[float, Tensor]
"""Loss and gradient."""

WARM = 40
"""Rows of the batch in a first pass that loads what is loaded once."""
ENOUGH_S = 2.0
"""No further repeats of a job that has spent this much."""
RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def step(job: Job, x: Tensor, labels: Tensor) -> Result:
    """One forward and backward pass."""
    leaf = x.clone().requires_grad_()
    value = job(leaf, labels)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


def timed(
    jobs: Mapping[str, Job], x: Tensor, labels: Tensor, repeats: int
) -> dict[str, tuple[float, Result]]:
    """Best process CPU time in milliseconds and the result of each job, the jobs taking turns."""
    best, spent, results = dict.fromkeys(jobs, np.inf), dict.fromkeys(jobs, 0.0), {}
    for job in jobs.values():
        step(job, x[:WARM], labels[:WARM])
    for _ in range(repeats):
        for name, job in jobs.items():
            if spent[name] < ENOUGH_S:
                start = time.process_time()
                results[name] = step(job, x, labels)
                took = time.process_time() - start
                best[name], spent[name] = min(best[name], 1000 * took), spent[name] + took
    return {name: (best[name], results[name]) for name in jobs}


def peak_mb(job: Job, x: Tensor, labels: Tensor) -> float | None:
    """Megabytes that one pass adds to the resident memory at its peak; None where the system does not tell.

    Call it before this process has differentiated anything, so that the fork starts with a tidy heap.
    """
    if not RESET.exists() or "fork" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report_peak, args=(job, x, labels, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise MemoryError(
            f"a pass over a batch of {tuple(x.shape)} was killed, or failed as printed"
        ) from None
    finally:
        child.join()


def _report_peak(job: Job, x: Tensor, labels: Tensor, sender: Connection) -> None:
    step(job, x[:WARM], labels[:WARM])
    try:
        RESET.write_text("5")
    except OSError:
        sender.send(None)
        return
    before = _kilobytes("VmRSS")
    step(job, x, labels)
    sender.send((_kilobytes("VmHWM") - before) * 1024 / 1e6)


def _kilobytes(field: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0])
