"""What happens inside a worker process: a job comes as JSON, its row goes back as JSON with a packed file.

A worker has one thread of torch, so that as many workers as processors do not fight over them, and gives way to
whatever else the person does with the machine.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import Any, Protocol

from workbench.context import Progress
from workbench.errors import Cancelled
from workbench.executing import Parcel
from workbench.result import Job

NICENESS = 5


class Flag(Protocol):
    """An event that processes share."""

    def is_set(self) -> bool: ...


_stop: Flag = threading.Event()


def begin(stop: Flag) -> None:
    """Make this process a worker that stops between two batches once the flag is set."""
    import torch

    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the flag is for these
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def work(job: dict[str, Any], key: str, digests: tuple[str, ...]) -> tuple[dict[str, Any], bytes]:
    """Do one job; raises `Cancelled` once the flag is set."""
    from workbench.executors._answering import answered

    parcel = Parcel(job=Job.from_dict(job), key=key, digests=digests)
    answer = answered(parcel, parcel.job, _heed)
    return answer.row.to_dict(), answer.packed


def _heed(_: Progress) -> None:
    if _stop.is_set():
        raise Cancelled


def _leave_with_parent() -> None:
    """End with the process that began this one: a pool whose owner was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
