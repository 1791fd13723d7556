"""Energy from counters that a test makes up."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.energy import counters, energy_mj


def zone(root: Path, name: str, label: str, value: int, top: int = 10**6) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, content in (("name", label), ("energy_uj", value), ("max_energy_range_uj", top)):
        (folder / file).write_text(f"{content}\n")
    return folder / "energy_uj"


def add(file: Path, microjoules: int, top: int = 10**6) -> None:
    file.write_text(str((int(file.read_text()) + microjoules) % (top + 1)))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


def test_packages_and_memory_add_up_and_their_parts_do_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 5), zone(tmp_path, "intel-rapl:1", "package-1", 7)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 0)
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 0)

    def call() -> None:
        for file, used in ((first, 3000), (second, 1000), (core, 2000), (memory, 500)):
            add(file, used)

    found = energy_mj(call, seconds=0.7, root=tmp_path, clock=Clock())
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((4.5, 4.5, 4.5))
    assert (found.how, found.unit) == ("measured", "mJ")


def test_a_counter_may_start_again(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 999_999)
    found = energy_mj(lambda: add(file, 2000), seconds=0.07, root=tmp_path, clock=Clock())
    assert found is not None
    assert found.value == pytest.approx(2)
    (counter,) = counters(tmp_path)
    file.write_text("4")
    assert counter.since_uj(999_998) == 7


def test_without_counters_there_is_no_number(tmp_path: Path) -> None:
    assert energy_mj(lambda: None, root=tmp_path / "none") is None
    broken = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    broken.unlink()  # as where this process may not read it
    assert counters(tmp_path) == ()
