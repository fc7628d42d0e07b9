"""A worker process: from the bundle and a pipe of jobs to their rows, within limits of memory and time."""

import contextlib
import os
import resource
import signal
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection

import cv2

from kilnsense.errors import KilnsenseError
from kilnsense.label.orders import PATIENCE, Begun, Fault, Finished, Job, Orders, Way
from kilnsense.label.portion import label_portion
from kilnsense.recogniser import Recogniser, open_recogniser


def serve(pipe: Connection, orders: Orders, way: Way | None) -> None:
    """The life of a worker. Whatever holds it up for too long ends it, also where its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), 2)  # what decoders print of broken files is said in their rows

    way = way or label_portion
    reading: int | None = None

    def begin(number: int | None) -> None:
        nonlocal reading
        reading = number
        signal.alarm(int(PATIENCE + orders.seconds) + 1)
        pipe.send(Begun(number))

    cv2.setNumThreads(1)  # there is a worker for each core
    try:
        recogniser = _open_model(orders)
        _limit_memory(orders.megabytes)
        while True:
            signal.alarm(0)
            job, probing = pipe.recv()
            if not probing:
                pipe.send(Finished(way(job, recogniser, root=orders.root, every=orders.every, begin=begin)))
                continue
            for number, path in job.inputs:
                alone = Job(job.number, ((number, path),), job.lost)

                def fixed(_: int | None, number: int = number) -> None:
                    begin(number)  # whatever it is at, it is at this input

                way(alone, recogniser, root=orders.root, every=orders.every, begin=fixed)
            pipe.send(Finished(None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone or needs no more
    except KilnsenseError as error:
        _last_words(pipe, Fault(str(error), known=True))
    except MemoryError:
        return  # as if it had been killed: the parent looks for the input that took so much
    except Exception:  # noqa: BLE001 - the parent must hear of it, whatever it is
        if reading is None:  # else that input alone is given up
            _last_words(pipe, Fault(traceback.format_exc(), known=False))


def _limit_memory(megabytes: int) -> None:
    """From here on the process may take so much more address space; beyond that an allocation fails."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _last_words(pipe: Connection, words: Fault) -> None:
    with contextlib.suppress(OSError):
        pipe.send(words)


def _open_model(orders: Orders) -> Recogniser:
    """The model that the orders name, with its border of confidence. Raises BundleError."""
    recogniser = open_recogniser(orders.bundle)
    if orders.min_confidence is None:
        return recogniser
    return replace(recogniser, min_confidence=orders.min_confidence)
