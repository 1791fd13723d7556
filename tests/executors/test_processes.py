"""Worker processes die, and the sweep goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.resource_tracker import _resource_tracker
from pathlib import Path

import pytest

from workbench.context import Progress
from workbench.errors import Cancelled
from workbench.executors.processes import Processes
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import Job, Status
from workbench.sweep import sweep

ORPHANS = """
import sys
from workbench.executors.processes import Processes
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.sweep import sweep

if __name__ == "__main__":
    step = techniques.get("magnitude")
    jobs = [
        Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"),
            recipe=Recipe((step(ratio=number / 1000, method="mask", score="magnitude"),)))
        for number in range(1, 900)
    ]
    for row in sweep(jobs, executor=Processes(workers=2)):
        print(row.key, flush=True)
"""


def test_a_worker_that_dies_loses_only_its_job_which_is_tried_again(
    net: Path, make_jobs: Callable[..., list[Job]]
) -> None:
    jobs = [
        *make_jobs((0.2, 0.4, 0.6)),
        *make_jobs((0.5,), model=f"user:{net}:fine"),
        *make_jobs((0.5,), model=f"user:{net}:deadly_once"),
        *make_jobs((0.5,), model=f"user:{net}:deadly"),
    ]
    rows = {row.job.model.name.rpartition(":")[2]: row for row in sweep(jobs, executor=Processes(workers=2))}
    assert net.with_suffix(".died").exists()
    assert rows["deadly_once"].status is Status.OK
    assert rows["deadly_once"].estimates["accuracy"] == rows["fine"].estimates["accuracy"]
    assert rows["digits-mlp"].status is Status.OK
    assert rows["deadly"].status is Status.FAILED
    assert "has died 3 times" in rows["deadly"].message


def test_every_row_comes_once_although_a_worker_died(net: Path, make_jobs: Callable[..., list[Job]]) -> None:
    jobs = [*make_jobs((0.5,), model=f"user:{net}:deadly_once"), *make_jobs((0.1, 0.2, 0.3, 0.4, 0.6))]
    rows = list(sweep([*jobs, *jobs], executor=Processes(workers=2)))
    assert len(rows) == len({row.key for row in rows}) == len(jobs)
    assert {row.job for row in rows} == set(jobs)


def test_a_cancel_ends_a_training_that_has_begun_and_leaves_no_process(
    net: Path, make_jobs: Callable[..., list[Job]]
) -> None:
    (job,) = make_jobs((0.5,), model=f"user:{net}:slow")
    training = replace(job, recipe=Recipe((techniques.get("finetune")(epochs=50),)))

    def report(_: Progress) -> None:
        if net.with_suffix(".begun").exists():
            raise Cancelled

    before = children()
    with pytest.raises(Cancelled):
        list(sweep([training], executor=Processes(workers=1), report=report))
    assert children() - before <= {tracker()}


def children() -> set[int]:
    """Return the processes that this one has begun and that have not ended."""
    found = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "pid=,stat=,comm="], capture_output=True, text=True)
    lines = [line.split() for line in found.stdout.splitlines()]
    return {int(pid) for pid, stat, name in lines if not stat.startswith("Z") and name != "ps"}


def tracker() -> int | None:
    return _resource_tracker._pid


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ORPHANS)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    group = os.getpgid(process.pid)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = alive(group)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def alive(group: int) -> list[int]:
    found = subprocess.run(["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True)
    lines = [line.split() for line in found.stdout.splitlines()]
    return [int(pid) for pid, pgid, stat in lines if int(pgid) == group and not stat.startswith("Z")]
