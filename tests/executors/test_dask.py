"""A real scheduler and real workers, as processes: they die, go away, or have another version of the workbench."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from workbench import __version__
from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.executors import _abroad
from workbench.executors._freight import weights_of
from workbench.executors.dask import Dask
from workbench.models import _weights
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import Job, ModelRef, Result, Status
from workbench.run import prepare
from workbench.store import Store
from workbench.sweep import sweep

ROOT = Path(__file__).parents[2]


class Cluster:
    """A scheduler and workers on this machine, each a process with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        file = folder / "scheduler.json"
        self._start("scheduler", "dask_scheduler", "--port", "0", "--scheduler-file", str(file))
        self._until(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def worker(self, name: str, sources: Path = ROOT) -> None:
        """Start a worker that imports the workbench from a folder."""
        home = {"WORKBENCH_HOME": str(self.home(name)), "PYTHONPATH": str(sources)}
        self._start(name, "dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--name", name, **home)

    def home(self, name: str) -> Path:
        return self.folder / f"home of {name}"

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait(30)

    def close(self) -> None:
        for name in [*self.processes]:
            self.kill(name)

    def _start(self, name: str, module: str, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--host", "127.0.0.1"]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*command, "--no-dashboard"], env=os.environ | variables, cwd=self.folder, stdout=log, stderr=log
            )

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, (self.folder / "scheduler.log").read_text()
            time.sleep(0.05)


@contextmanager
def cluster(folder: Path, *workers: str) -> Iterator[Cluster]:
    with ExitStack() as stack:
        made = Cluster(folder)
        stack.callback(made.close)
        for name in workers:
            made.worker(name)
        yield made


def many(make_jobs: Callable[..., list[Job]], count: int) -> list[Job]:
    return make_jobs([number / (count + 1) for number in range(1, count + 1)])


def killing(made: Cluster, name: str, found: Iterator[Result], after: int, rows: list[Result]) -> None:
    """Take rows, and kill a process after some of them."""
    for row in found:
        rows.append(row)
        if len(rows) == after:
            made.kill(name)


@pytest.mark.slow
def test_a_killed_worker_loses_no_row_and_doubles_none(tmp_path: Path, make_jobs: Callable[..., list[Job]]) -> None:
    jobs, rows = many(make_jobs, 40), []
    with cluster(tmp_path, "a", "b") as made, Store(tmp_path / "store.sqlite3") as store:
        found = sweep(jobs, executor=Dask(scheduler=made.address), store=store, report=both_there(made))
        killing(made, "a", found, 5, rows)
        assert {row.job for row in rows} == set(jobs)
        assert len(rows) == len({row.key for row in rows}) == 40
        assert {row.status for row in rows} == {Status.OK}
        assert {row.key for row in store.query()} == {row.key for row in rows}
    expected = {row.key: row.estimates for row in sweep(jobs)}
    assert {row.key: row.estimates for row in rows} == expected


def both_there(made: Cluster) -> Callable[[Progress], None]:
    """Return a report that holds the sweep up once, until both workers are at work: a dead one must have had jobs."""
    waited = []

    def report(_: Progress) -> None:
        if not waited:
            waited.append(True)
            made._until(lambda: all("Registered to" in log(made, name) for name in ("a", "b")))

    return report


def log(made: Cluster, name: str) -> str:
    return (made.folder / f"{name}.log").read_text()


@pytest.mark.slow
def test_weights_travel_by_their_content(tmp_path: Path, make_jobs: Callable[..., list[Job]]) -> None:
    path = tmp_path / "mine.safetensors"
    state = load_file(_weights.shipped("digits-mlp"))
    save_file({name: 0.97 * tensor for name, tensor in state.items()}, path)
    jobs = [
        dataclasses.replace(job, model=ModelRef(name="digits-mlp", checkpoint=str(path)))
        for job in make_jobs((0.3, 0.6))
    ]
    expected = {row.key: row.estimates for row in sweep(jobs)}
    assert not {*expected} & {row.key for row in sweep(make_jobs((0.3, 0.6)))}
    content = weights_of(prepare(jobs[0]).model)
    with cluster(tmp_path, "a") as made:
        rows = list(sweep(jobs, executor=Dask(scheduler=made.address)))
        (sent,) = (made.home("a") / "sent").iterdir()
    assert {row.key: row.estimates for row in rows} == expected
    assert {row.job.model.checkpoint for row in rows} == {str(path)}
    assert sent.name == f"{hashlib.sha256(content).hexdigest()}.safetensors"
    assert sent.read_bytes() == content


@pytest.mark.slow
def test_a_scheduler_that_goes_away_leaves_what_was_finished_and_the_rest_is_done_elsewhere(
    tmp_path: Path, make_jobs: Callable[..., list[Job]]
) -> None:
    jobs, rows = many(make_jobs, 40), []
    with cluster(tmp_path, "a", "b") as made, Store(tmp_path / "store.sqlite3") as store:
        with pytest.raises(Refused, match=rf"{made.address} has gone away: what was finished is kept; .* processes"):
            killing(made, "scheduler", sweep(jobs, executor=Dask(scheduler=made.address), store=store), 3, rows)
        kept = store.query()
        assert 3 <= len(kept) < 40
        assert {row.key for row in rows} <= {row.key for row in kept}
        again = list(sweep(jobs, store=store))
        assert len(again) == len(store.query()) == 40
        assert store.query()[: len(kept)] == kept  # none of them was done twice


@pytest.mark.slow
def test_a_worker_of_another_version_is_refused_with_both_versions(
    tmp_path: Path, make_jobs: Callable[..., list[Job]]
) -> None:
    older = tmp_path / "older"
    shutil.copytree(ROOT / "workbench", older / "workbench", ignore=shutil.ignore_patterns("__pycache__", "executors"))
    shutil.copytree(ROOT / "datasets", older / "datasets")
    start = older / "workbench" / "__init__.py"
    start.write_text(start.read_text().replace('__version__ = "', '__version__ = "0.0.7-'))
    with cluster(tmp_path) as made:
        made.worker("older", older)
        with pytest.raises(Refused, match=r"has workbench 0\.0\.7-\S+, here is (?!0\.0\.7)\S+: install the same"):
            next(sweep(make_jobs((0.5,)), executor=Dask(scheduler=made.address)))


@pytest.mark.slow
def test_a_worker_with_other_sources_or_without_the_workbench_is_refused(
    tmp_path: Path, make_jobs: Callable[..., list[Job]]
) -> None:
    other, bare, none = (tmp_path / name for name in ("other", "bare", "none"))
    shutil.copytree(ROOT / "workbench", other / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "workbench" / "compress.py").open("a") as file:
        file.write("\n# an edit\n")
    for folder, text in ((bare, f"__version__ = {__version__!r}"), (none, "")):  # they hide the real one
        (folder / "workbench").mkdir(parents=True)
        (folder / "workbench" / "__init__.py").write_text(text)
    for sources, words in (
        (other, r"with other source files \(\w+ there"),
        (bare, r"with other source files \(ModuleNotFoundError"),
        (none, "cannot import workbench"),
    ):
        folder = tmp_path / f"cluster of {sources.name}"
        folder.mkdir()
        with cluster(folder) as made:
            made.worker("w", sources)
            with pytest.raises(Refused, match=words):
                next(sweep(make_jobs((0.5,)), executor=Dask(scheduler=made.address)))


@pytest.mark.slow
def test_a_scheduler_without_workers_is_refused(
    tmp_path: Path, make_jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.executors._cluster.ANSWER_S", 2.0)
    with cluster(tmp_path) as made, pytest.raises(Refused, match=f"{made.address} has no workers: start some with"):
        next(sweep(make_jobs((0.5,)), executor=Dask(scheduler=made.address)))


@pytest.mark.slow
def test_workers_that_all_go_away_end_the_sweep(
    tmp_path: Path, make_jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.executors.dask._ALONE_S", 3.0)
    rows = []
    with cluster(tmp_path, "a") as made, pytest.raises(Refused, match="has had no workers for 3 s"):
        killing(made, "a", sweep(many(make_jobs, 40), executor=Dask(scheduler=made.address)), 1, rows)
    assert 1 <= len(rows) < 40


@pytest.mark.slow
def test_a_cancel_frees_a_worker_that_trains(tmp_path: Path, make_jobs: Callable[..., list[Job]]) -> None:
    (job,) = make_jobs((0.5,), model="digits-resnet")
    long = dataclasses.replace(job, recipe=Recipe((techniques.get("finetune")(epochs=50, lr=0.001),)))
    with cluster(tmp_path, "a") as made:
        begun = made.home("a") / "sent"

        def report(_: Progress) -> None:
            if begun.exists() and time.time() - begun.stat().st_mtime > 3:
                raise Cancelled

        with pytest.raises(Cancelled):
            next(sweep([long], executor=Dask(scheduler=made.address), report=report))
        (row,) = sweep(make_jobs((0.4,)), executor=Dask(scheduler=made.address))  # its only thread is free again
        assert row.status is Status.OK


@pytest.mark.parametrize("address", ["foo", "foo://127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1"])
def test_an_address_at_which_nobody_answers_is_refused(
    address: str, make_jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.executors._cluster.CONNECT_S", 0.5)
    with pytest.raises(Refused, match=f"no Dask scheduler answers at {address}: start one"):
        next(sweep(make_jobs((0.5,)), executor=Dask(scheduler=address)))


def test_a_missing_package_is_named(make_jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Refused, match=r"pip install 'downsizing-workbench\[dask\]'"):
        next(sweep(make_jobs((0.5,)), executor=Dask()))


def test_weights_that_were_damaged_on_the_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    weights = b"some weights"
    sha256 = hashlib.sha256(weights).hexdigest()
    with pytest.raises(Refused, match="arrived damaged"):
        _abroad.kept(b"other weights", sha256)
    path = _abroad.kept(weights, sha256)
    assert path.read_bytes() == weights
    path.unlink()
    assert _abroad.kept(weights, sha256).read_bytes() == weights
    _abroad._checked.clear()
    path.write_bytes(b"cut sh")  # somebody else's fault, found by the next process
    assert _abroad.kept(weights, sha256).read_bytes() == weights


def test_a_worker_of_another_version_does_no_job_when_it_joins_later() -> None:
    content = _abroad.work(b"", "", {}, "k", (), {"version": "9.9", "sources": "s"})
    assert content.keys() == {"refused"}
    assert "here is 9.9" in content["refused"]


def test_dask_is_imported_when_it_is_used_and_not_before() -> None:
    code = (
        "import sys, workbench.sweep, workbench.registry as r; r.executors.names(); print('distributed' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
