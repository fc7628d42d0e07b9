"""Labelling on a Ray cluster: portions travel as numbers and paths, rows come back, pictures never travel.

Every Ray worker holds one guarded process (`kilnsense.label.guarded`), which does what a local one does,
portion by portion. So the rows are the same to the last digit, and a bad file ends its guarded process,
never the Ray worker. Where a worker or its node is lost, Ray gives its portions to another one.

The nodes read the files themselves: source and bundle lie in folders at the same path on all of them. Each
answer is checked for that, because a node that misses the folder would find every file missing.
"""

import json
import logging
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from kilnsense import __version__
from kilnsense.errors import BundleError, ConfigError, KilnsenseError, MissingExtraError, SourceError
from kilnsense.label.guarded import Guarded, Written
from kilnsense.label.orders import Job, Orders
from kilnsense.label.run import Engine
from kilnsense.record.sinks import columns
from kilnsense.record.store import Row

WAVE = 10_000
"""Portions that are given to Ray together: what waits is in memory, and each wave starts the workers anew."""

STORE_BYTES = 200_000_000
"""Memory that a local Ray shares between its processes; paths and rows are small."""

PATIENCE = 5.0
"""Seconds for the head of a cluster to answer."""

SHORT = Path("/tmp")
"""Where a local Ray keeps its sockets, whose paths may have 107 bytes."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # tells nobody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its remarks would stand between ours
}
LOCAL_SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the name is old: on every system it binds to 127.0.0.1
}
"""Read when Ray is loaded; whoever set them already has the last word."""


_MODEL = columns(()).index("model_id") - len(columns(()))
"""Place of the model among the cells of a row, from their end."""


@dataclass(frozen=True)
class Cluster:
    """Where the work is done.

    Attributes:
        address: ``host:port`` of a cluster that this computer is part of, or ``auto``; "" starts a Ray here.
        processes: workers at once; None: one for each processor of the cluster.
    """

    address: str = ""
    processes: int | None = None

    def __post_init__(self) -> None:
        host, colon, port = self.address.rpartition(":")
        named = bool(host and colon and port.isdecimal()) and "/" not in host
        if self.address not in ("", "auto") and not named:
            raise ConfigError(
                f"--address: got {self.address!r}, allowed: auto, or host:port of a cluster that this "
                f"computer is part of"
            )


def require_ray() -> None:
    """Raises MissingExtraError where Ray is not installed."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray.data  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("--engine ray needs ray; install kilnsense[ray]") from error


def ray_engine(orders: Orders, model_id: str, cluster: Cluster) -> Engine:
    """Guarded processes on all nodes of a cluster.

    Args:
        orders: for every process; its folders must be there on all nodes.
        model_id: of the bundle; rows of another one are refused.
        cluster: where.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    if not cluster.address:
        for name, value in LOCAL_SETTINGS.items():
            os.environ.setdefault(name, value)
    require_ray()
    orders = replace(orders, root=orders.root.absolute(), bundle=orders.bundle.absolute())

    def run(jobs: Iterator[Job], written: Written) -> None:
        with _joined(cluster) as workers:
            while wave := list(islice(jobs, WAVE)):
                waiting = {job.number: job for job in wave}
                for number, said in _answers(wave, orders, workers):
                    # A worker that was thought lost may still say what another one has said.
                    if (job := waiting.pop(number, None)) is not None:
                        written(number, _rows_of(said, job, orders.root, model_id))
                if waiting:
                    raise SourceError(
                        f"cluster: {len(waiting)} of {len(wave)} portions did not come back; go on with "
                        f"--resume"
                    )

    return run


class PortionWorker:
    """The life of a Ray worker: portions in, rows out, by way of its guarded process.

    Args:
        orders: for the process.
        version: of kilnsense on the computer that asks.
    """

    def __init__(self, orders: Orders, version: str) -> None:
        self._orders, self._version = orders, version
        self._guarded: Guarded | None = None

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, list[Any]]]:
        """Answers each portion of a block as soon as it is done."""
        for number, inputs in zip(batch["number"], batch["inputs"], strict=True):
            paths = tuple((int(input_), str(path)) for input_, path in json.loads(inputs))
            said = self._label(Job(int(number), paths, {}))
            yield {"number": [int(number)], "said": [json.dumps({"node": platform.node(), **said})]}

    def _label(self, job: Job) -> dict[str, Any]:
        if self._version != __version__:
            return {"known": f"has kilnsense {__version__}, here is {self._version}; install the same one"}
        found: list[Row] = []
        try:
            if self._guarded is None:
                self._guarded = Guarded(self._orders, processes=1)
            self._guarded.run(iter((job,)), lambda _, rows: found.extend(rows))
        except KilnsenseError as error:
            return {"known": str(error)}
        except RuntimeError as error:
            return {"fault": str(error)}
        seen = any(os.path.lexists(self._orders.root / path) for _, path in job.inputs)
        return {"rows": [asdict(row) for row in found], "seen": seen}


def _rows_of(said: Mapping[str, Any], job: Job, root: Path, model_id: str) -> list[Row]:
    """The rows of an answer, once it is sure that the node saw what is seen here."""
    node = f"node {said['node']}"
    if "fault" in said:
        raise RuntimeError(f"{node}: {said['fault']}")
    if "known" in said:
        raise SourceError(f"{node}: {said['known']}")
    here = next((path for _, path in job.inputs if os.path.lexists(root / path)), None)
    if not said["seen"] and here is not None:
        raise SourceError(
            f"{node}: sees no {root / here}, which is there on this computer; mount the folder of the source "
            f"at the same path on every node"
        )
    rows = [Row(**{**row, "cells": tuple(row["cells"])}) for row in said["rows"]]
    if other := next((str(row.cells[_MODEL]) for row in rows if row.cells[_MODEL] != model_id), None):
        raise BundleError(
            f"{node}: judged by model {other}, here is {model_id}; give all nodes the same bundle"
        )
    return rows


def _answers(wave: Sequence[Job], orders: Orders, workers: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What the workers say of a wave of portions, in the order in which they say it."""
    import ray
    import ray.data

    items = [{"number": job.number, "inputs": json.dumps(job.inputs)} for job in wave]
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers)
    answers = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        PortionWorker,
        batch_size=None,
        batch_format="numpy",
        compute=pool,
        num_cpus=1,
        fn_constructor_kwargs={"orders": orders, "version": __version__},
    )
    try:
        for batch in answers.iter_batches(batch_size=None, prefetch_batches=0):
            for number, said in zip(batch["number"], batch["said"], strict=True):
                yield int(number), json.loads(said)
    except ray.exceptions.RayError as error:
        raise SourceError(f"cluster: {_first_line(error)}; mend it and go on with --resume") from error


@contextmanager
def _joined(cluster: Cluster) -> Iterator[int]:
    """A Ray that is ours or that we are part of, silent; gives how many workers there shall be."""
    import ray
    import ray.data

    with (
        redirect_stdout(sys.stderr),  # it tells of lost workers on standard output
        tempfile.TemporaryDirectory(prefix="ks-", dir=SHORT, ignore_cleanup_errors=True) as folder,
    ):
        try:
            if cluster.address:
                _expect_answer(cluster.address)
                ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address="local",
                    num_cpus=cluster.processes,
                    object_store_memory=STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=folder,
                )
        except (OSError, RuntimeError, ValueError) as error:
            raise SourceError(
                f"cluster {cluster.address or 'on this computer'}: cannot be joined ({_first_line(error)}); "
                f"start one with `ray start --head`, further nodes with `ray start --address=host:port`"
            ) from error
        try:
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_no_progress_timeout_s = -1  # a portion of long videos takes its time
            processors = ray.cluster_resources()["CPU"]  # type: ignore[no-untyped-call]
            yield cluster.processes or max(1, int(processors))
        finally:
            ray.shutdown()


def _expect_answer(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would go on asking for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
