"""The store keeps what it acknowledged, and says in one sentence why it cannot."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.errors import Refused
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.store import SCHEMA, Store, default_path
from workbench.tables import insert_

WRITER = """
import sys
from pathlib import Path
from workbench.result import DataRef, Job, ModelRef, Result
from workbench.store import Store

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
job = Job(model=ModelRef(name="m"), data=DataRef(name="d"))
with Store(path) as store:
    for number in range(count):
        key = f"{name}-{number}"
        store.add(Result(job=job, key=key, final=True, message="x" * 500), b"p" * 3000)
        print(key, flush=True)
"""


def row(key: str = "k", *, model: str = "digits-cnn", data: str = "digits", message: str = "") -> Result:
    accuracy = Estimate(value=0.98, low=0.95, high=0.99, how="measured", n=360)
    return Result(
        job=Job(model=ModelRef(name=model, mean=(0.5,), std=(0.25,)), data=DataRef(name=data)),
        key=key,
        message=message,
        estimates={"accuracy": accuracy, "size_bytes": Estimate.counted(1234, "B")},
        final=True,
        notes=("one sentence",),
        details={"size_bytes": {"weights": 1200, "header": 34}},
        environment={"python": "3.11"},
    )


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "results.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as store:
        yield store


def test_a_row_comes_back_equal(store: Store) -> None:
    store.add(row("a"), b"\x00bytes")
    assert store.get("a") == row("a")
    assert store.packed("a") == b"\x00bytes"
    assert store.has("a")


def test_an_unknown_key(store: Store) -> None:
    assert store.get("a") is None
    assert store.packed("a") is None
    assert not store.has("a")
    store.remove("a")


def test_the_same_key_replaces(store: Store) -> None:
    store.add(row("a", message="old"), b"old")
    store.add(row("a", message="new"), b"new")
    assert [result.message for result in store.query()] == ["new"]
    assert store.packed("a") == b"new"


def test_query_filters_and_keeps_the_order_of_time(store: Store) -> None:
    for key, model, data in [("z", "m1", "d1"), ("a", "m2", "d1"), ("m", "m1", "d2"), ("b", "m1", "d1")]:
        store.add(row(key, model=model, data=data))
    assert [r.key for r in store.query()] == ["z", "a", "m", "b"]
    assert [r.key for r in store.query(model="m1")] == ["z", "m", "b"]
    assert [r.key for r in store.query(model="m1", data="d1")] == ["z", "b"]
    assert [r.key for r in store.query(data="d2")] == ["m"]


def test_remove(store: Store) -> None:
    store.add(row("a"))
    store.add(row("b"))
    store.remove("a")
    assert [r.key for r in store.query()] == ["b"]


def test_a_failed_row_is_a_row(store: Store) -> None:
    failed = replace(row("a"), status=Status.FAILED, message="a sentence", estimates={})
    store.add(failed)
    assert store.get("a") == failed


def test_a_row_that_is_still_tightening_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="final"):
        store.add(replace(row("a"), final=False))
    assert not store.has("a")


def test_rows_outlive_the_store(path: Path) -> None:
    with Store(path) as store:
        store.add(row("a"), b"x")
    with Store(path) as store:
        assert store.get("a") == row("a")
        assert store.packed("a") == b"x"


def test_a_forgotten_store_closes_itself(path: Path) -> None:
    store = Store(path)
    store.add(row("a"))
    log = path.with_name(path.name + "-wal")
    assert log.exists()
    del store
    gc.collect()
    assert not log.exists()  # sqlite folds the log into the file when the last connection is closed


def test_the_default_is_in_the_workbench_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    with Store() as store:
        assert store.path == default_path() == tmp_path / "home" / "results.sqlite3"
        assert store.path.exists()


def test_a_row_of_a_technique_that_is_not_installed_is_left_out_but_kept(store: Store, path: Path) -> None:
    store.add(row("a"))
    store.add(row("b"))
    with sqlite3.connect(path) as other:
        other.execute("""UPDATE contents SET content = replace(content, '"steps": []', '"steps": [{"step": "gone"}]')
                         WHERE number = 1""")
    other.close()
    assert [r.key for r in store.query()] == ["b"]
    assert store.get("a") is None
    assert store.has("a")


def test_threads_share_one_store(store: Store) -> None:
    errors: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(20):
                store.add(row(f"{name}-{number}"))
                store.query(model="digits-cnn")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.query()) == 80


def test_two_processes_write_at_once(path: Path) -> None:
    processes = [writer(path, name, 60) for name in ("a", "b")]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    with Store(path) as store:
        assert {r.key for r in store.query()} == {f"{name}-{number}" for name in "ab" for number in range(60)}


@pytest.mark.parametrize("after", [1, 7, 40])
def test_a_kill_loses_no_acknowledged_row(path: Path, after: int) -> None:
    process = writer(path, "k", 100_000)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    acknowledged += rest.split()[: rest.count("\n")]
    assert process.returncode == -signal.SIGKILL
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    with Store(path) as store:
        kept = {r.key for r in store.query()}
        assert kept >= set(acknowledged)
        assert all(store.packed(key) == b"p" * 3000 for key in acknowledged)


def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with Store(path) as store:
        store.add(row("a"))
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    other.close()
    with pytest.raises(Refused, match=f"version {SCHEMA + 1}.*update"):
        Store(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT key FROM results").fetchall() == [("a",)]
    other.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"dear reader, " * 1000)
    with pytest.raises(Refused, match="not a readable store"):
        Store(path)
    assert path.read_bytes() == b"dear reader, " * 1000


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE photos (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(Refused, match="another program"):
        Store(path)
    assert path.read_bytes() == before


def test_a_full_disk_is_refused_and_loses_nothing(store: Store) -> None:
    store.add(row("a"), b"small")
    store._connection.execute("PRAGMA max_page_count = 20")
    with pytest.raises(Refused, match="no room"):
        store.add(row("b"), b"x" * 200_000)
    with pytest.raises(Refused, match="no room"):  # replacing must not lose what it would have replaced
        store.add(row("a"), b"x" * 200_000)
    assert store.packed("a") == b"small"
    assert [r.key for r in store.query()] == ["a"]
    store._connection.execute("PRAGMA max_page_count = 10000")
    store.add(row("b"), b"x" * 200_000)
    assert [r.key for r in store.query()] == ["a", "b"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be made"):
        Store(tmp_path / "file" / "results.sqlite3")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="file permissions of this system cannot be dropped for a test")
def test_a_read_only_folder_is_refused() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:  # root may write anywhere
            os.seteuid(65534)
        with pytest.raises(Refused, match="cannot be written"):
            Store(folder / "results.sqlite3")
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_that_stays_locked_is_refused(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tables._PATIENCE_S", 0.05)
    store._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Refused, match="locked"):
        store.add(row("a"))
    other.execute("ROLLBACK")
    other.close()
    store.add(row("a"))
    assert store.has("a")


# measured in passing, kept, starred, noted


def line(path: Path, key: str) -> tuple[object, ...]:
    with sqlite3.connect(path) as other:
        found = other.execute("SELECT kept, star, note FROM results WHERE key = ?", (key,)).fetchone()
    other.close()
    return found


def test_what_is_remembered_has_no_file_and_is_not_among_what_was_wanted(store: Store) -> None:
    store.remember([row("a"), row("b")])
    store.add(row("c"), b"file")
    assert [store.get("a"), store.packed("a")] == [row("a"), b""]
    assert [r.key for r in store.query()] == ["a", "b", "c"]
    assert [r.key for r in store.query(kept=True)] == ["c"]
    store.set_star("b", True)
    assert [r.key for r in store.query("digits-cnn", kept=True)] == ["b", "c"]
    store.keep("a")
    assert [r.key for r in store.query(kept=True)] == ["a", "b", "c"]


def test_remembering_changes_nothing_of_what_is_known(store: Store, path: Path) -> None:
    store.add(row("a", message="kept"), b"file")
    store.remember([row("a", message="again"), row("b")])
    assert store.get("a") == row("a", message="kept")
    assert store.packed("a") == b"file"
    assert line(path, "a")[0] == 1
    assert store.has("b")


def test_a_row_that_is_still_tightening_is_not_remembered_nor_are_those_beside_it(store: Store) -> None:
    with pytest.raises(Refused, match="final"):
        store.remember([row("a"), replace(row("b"), final=False)])
    assert store.query() == []


def test_adding_again_keeps_star_note_and_file(store: Store, path: Path) -> None:
    store.add(row("a"), b"file")
    store.set_star("a", True)
    store.set_note("a", "mine")
    store.add(row("a", message="new"))
    assert line(path, "a") == (1, 1, "mine")
    assert store.packed("a") == b"file"
    assert store.get("a") == row("a", message="new")


def test_removing_leaves_nothing_behind(store: Store, path: Path) -> None:
    store.add(row("a"), b"file")
    store.remove("a")
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM contents").fetchone() == (0,)
    other.close()


@pytest.mark.parametrize(("text", "kept"), [("é → 漢", "é → 漢"), ("a\0b", "ab"), ("\ud800!", "?!"), ("", "")])
def test_a_note_is_any_text(store: Store, path: Path, text: str, kept: str) -> None:
    store.add(row("a"))
    store.set_note("a", text)
    assert line(path, "a")[2] == kept


def test_a_note_without_end_is_refused(store: Store, path: Path) -> None:
    store.add(row("a"))
    with pytest.raises(Refused, match="2,000 characters, got 2,001"):
        store.set_note("a", "x" * 2001)
    assert line(path, "a")[2] == ""


def test_nothing_is_remembered_on_a_full_disk_and_what_was_saved_stays(store: Store) -> None:
    store.add(row("a"), b"small")
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(Refused, match="no room"):
        store.remember(row(f"r{number}", message="x" * 1000) for number in range(50))
    assert [r.key for r in store.query()] == ["a"]


# a file of version 1

VERSION_1 = """
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    data TEXT NOT NULL,
    content TEXT NOT NULL,
    packed BLOB NOT NULL
);
CREATE INDEX results_of ON results (model, data, number);
PRAGMA application_id = 0x44575331;
PRAGMA user_version = 1;
"""


def version_1(path: Path, *rows: tuple[str, str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode = WAL")
    other.executescript(VERSION_1)
    for values in rows:
        statement = "INSERT INTO results (key, model, data, content, packed) VALUES (?, 'digits-cnn', 'digits', ?, ?)"
        other.execute(statement, values)
    other.commit()
    other.close()


def document(key: str) -> str:
    return json.dumps(row(key).to_dict())


UNREADABLE = [
    document("b").replace('"steps": []', '"steps": [{"step": "gone"}]'),
    "not JSON",
    "[]",
    '{"job": 1}',
    "null",
    '{"job": {}, "status": "ok", "estimates": [], "notes": []}',
]


def test_a_file_of_version_1_becomes_one_of_today(path: Path) -> None:
    version_1(path, ("z", document("z"), b"\x00file"), ("a", document("a"), b""))
    with Store(path) as store:
        assert [r.key for r in store.query(kept=True)] == ["z", "a"]
        assert store.get("z") == row("z")
        assert store.packed("z") == b"\x00file"
        told = store.select("SELECT recipe, accuracy, low, high, images, size_bytes, macs, measured_at FROM results")
        assert told == [("original", 0.98, 0.95, 0.99, 360, 1234.0, None, None)] * 2
        store.add(row("n"), b"new")
        assert [r.key for r in store.query()] == ["z", "a", "n"]
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    other.close()
    Store(path).close()


@pytest.mark.parametrize("content", UNREADABLE)
def test_an_older_row_that_cannot_be_read_here_stays(path: Path, content: str) -> None:
    version_1(path, ("a", document("a"), b"1"), ("b", content, b"2"), ("c", document("c"), b"3"))
    with Store(path) as store:
        assert [r.key for r in store.query()] == ["a", "c"]
        assert store.has("b")
        assert store.packed("b") == b"2"
        assert store.select("SELECT content FROM contents WHERE number = 2") == [(content,)]
        assert store.select("SELECT recipe, accuracy, kept FROM results WHERE key = 'b'") == [(None, None, 1)]


def test_an_upgrade_that_fails_half_way_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_1(path, ("a", document("a"), b"1"), ("b", document("b"), b"2"))

    def dump() -> list[str]:
        with sqlite3.connect(path) as other:
            lines = [*other.iterdump(), str(other.execute("PRAGMA user_version").fetchone())]
        other.close()
        return lines

    before, calls = dump(), []

    def second_fails(connection: sqlite3.Connection, **values: object) -> int:
        calls.append(values)
        if len(calls) == 2:
            raise OSError("the power fails")
        return insert_(connection, **values)

    with monkeypatch.context() as patched:
        patched.setattr("workbench.tables.insert_", second_fails)
        with pytest.raises(OSError, match="power"):
            Store(path)
    assert dump() == before
    with Store(path) as store:
        assert [r.key for r in store.query()] == ["a", "b"]


def test_an_upgrade_that_finds_no_room_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_1(path, ("a", document("a"), b"x" * 400_000))
    connected = sqlite3.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        made = connected(*arguments, **options)
        made.execute("PRAGMA max_page_count = 120")
        return made

    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.connect", small)
        with pytest.raises(Refused, match="no room"):
            Store(path)
    with Store(path) as store:
        assert len(store.packed("a") or b"") == 400_000


def test_processes_that_upgrade_at_once_agree(path: Path) -> None:
    version_1(path, *((f"old-{number}", document(f"old-{number}"), b"1") for number in range(30)))
    processes = [writer(path, name, 20) for name in ("a", "b", "c")]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0, 0, 0]
    with Store(path) as store:
        assert len(store.query()) == 90


def test_an_older_workbench_that_still_has_the_file_open_is_told_so(path: Path) -> None:
    """Its rows would have no columns: it must fail rather than write what no history shows."""
    version_1(path)
    older = sqlite3.connect(path, isolation_level=None)
    Store(path).close()
    with pytest.raises(sqlite3.OperationalError):
        older.execute(
            "INSERT OR REPLACE INTO results (key, model, data, content, packed) VALUES ('k', 'm', 'd', '', '')"
        )
    older.close()
