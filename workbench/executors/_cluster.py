"""Connections to a Dask scheduler, and a cluster on this machine that no other machine can reach."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import workbench
from workbench.errors import Refused, reason
from workbench.executors._process import NICENESS

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""How long nobody may answer at an address before it is taken for a wrong one."""
ANSWER_S = 30.0
"""How long a scheduler that was there may take to answer, and workers to appear: machines may be busy."""
_LOGGERS = ("distributed", "distributed.client", "distributed.nanny", "distributed.scheduler", "distributed.worker")
_SETTINGS = {
    "distributed.scheduler.http.routes": [],  # no page of the scheduler's own
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "4 GiB",  # weights are sent once, and are meant
}


@contextmanager
def connected(address: str, count: int) -> Iterator[Client]:
    """Lend a client of the scheduler at an address, or of a cluster with so many workers here. Raises `Refused`."""
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.comm.addressing import get_address_host
    except ImportError:
        raise Refused(
            "the executor dask needs the package distributed: pip install 'downsizing-workbench[dask]'"
        ) from None
    if address:
        try:
            get_address_host(address)
        except ValueError as error:  # a client that was made with it could not be closed
            raise Refused(f"{_unanswered(address)} ({error})") from None
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(dask.config.set(_SETTINGS))
        target: Any = address
        if not address:
            target = stack.enter_context(
                LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                    silence_logs=logging.CRITICAL,
                )
            )
        try:
            client = stack.enter_context(
                Client(target, timeout=CONNECT_S if address else ANSWER_S, set_as_default=False)
            )
        except (OSError, TimeoutError) as error:
            raise Refused(f"{_unanswered(address)} ({reason(error)})") from None
        try:
            client.wait_for_workers(1, timeout=ANSWER_S)
        except TimeoutError:
            raise Refused(_idle(address)) from None
        if not address and hasattr(os, "nice"):
            client.run(os.nice, NICENESS)
        yield client


def workers(client: Client) -> dict[str, int]:
    """Return how many jobs each worker does at once, by its address; raises `Refused` where no scheduler answers."""
    try:
        if client.status != "running" or client.scheduler is None:
            raise Refused("the client is not connected")
        return dict(client.sync(client.scheduler.ncores, callback_timeout=ANSWER_S))
    except (OSError, TimeoutError) as error:
        raise Refused(f"the scheduler does not answer: {reason(error)}") from None


def _unanswered(address: str) -> str:
    return (
        f"no Dask scheduler answers at {address}: start one there with `dask scheduler`, or name the address that it "
        "prints"
    )


def _idle(address: str) -> str:
    return (
        f"the scheduler {address} has no workers: start some with `dask worker {address} --nthreads 1`, on machines "
        f"with workbench {workbench.__version__}"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing of workers that come and go: what a person has to know is told as a sentence."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
