"""What is read of the processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.timing.machine import Machine, flags, this_machine


def machine(*names: str) -> Machine:
    return Machine(flags=frozenset(names), macs_per_ms=1e7, bytes_per_ms=1e7, call_ms=0.002)


def test_flags_are_those_of_the_first_processor(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nflags\t\t: other\n")
    assert flags(path) == {"fpu", "avx2", "avx512f"}
    path.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert flags(path) == {"fp", "asimd", "asimddp"}
    assert flags(tmp_path / "nothing") == set()


@pytest.mark.parametrize(
    ("names", "lanes", "integer"),
    [
        (("avx2", "avx512f", "avx512_vnni"), 16, True),
        (("avx2",), 8, False),
        (("asimd", "i8mm"), 4, True),
        ((), 4, None),
    ],
)
def test_vectors_and_integers_are_known_by_their_flags(
    names: tuple[str, ...], lanes: int, integer: bool | None
) -> None:
    assert (machine(*names).lanes, machine(*names).integer) == (lanes, integer)


def test_the_roof_of_this_machine_is_plausible() -> None:
    found = this_machine()
    assert 1e5 < found.macs_per_ms < 1e12
    assert 1e4 < found.bytes_per_ms < 1e11
    assert 0 < found.call_ms < 1
