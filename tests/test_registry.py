"""Registries: loud on a clash, helpful on an unknown name, and complete after one new file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.errors import Refused
from workbench.registry import Registry, data, measures, models, techniques

FILE = """
from dataclasses import dataclass
import {package}

@dataclass(frozen=True)
class Thing:
    name: str
    value: int

{package}.things.register(Thing({name!r}, {value}))
"""

Write = Callable[..., None]


@dataclass(frozen=True)
class Entry:
    """Something with a name."""

    name: str
    value: int = 0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an empty package, whose registry of things is in its `things`."""
    name = f"registry_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(
        f"from workbench.registry import Registry\nthings = Registry('thing', {name!r})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def write(package: str, tmp_path: Path) -> Write:
    """Writes a module of the package that registers one thing, or has the text that is given."""

    def write(module: str, name: str = "", value: int = 0, text: str = "") -> None:
        content = text or FILE.format(package=package, name=name or module, value=value)
        (tmp_path / package / f"{module}.py").write_text(content)
        importlib.invalidate_caches()

    return write


def things(package: str) -> Registry[Entry]:
    registry: Registry[Entry] = importlib.import_module(package).things
    return registry


def test_every_public_file_is_found_in_order(package: str, write: Write) -> None:
    write("b", "bee", 2)
    write("a", "ant", 1)
    write("_private", "hidden")
    registry = things(package)
    assert registry.names() == ("ant", "bee")
    assert [thing.value for thing in registry] == [1, 2]
    assert registry.get("bee").value == 2
    assert "ant" in registry
    assert "hidden" not in registry
    assert f"{package}._private" not in sys.modules


def test_the_order_is_that_of_the_files_whatever_was_imported_first(package: str, write: Write) -> None:
    write("a", "zebra")
    write("b", "ant")
    importlib.import_module(f"{package}.b")
    assert things(package).names() == ("zebra", "ant")


def test_nothing_is_imported_before_the_first_look_up(package: str, write: Write) -> None:
    write("a")
    registry = things(package)
    assert f"{package}.a" not in sys.modules
    registry.names()
    assert f"{package}.a" in sys.modules


def test_an_unknown_name_lists_the_known_ones(package: str, write: Write) -> None:
    write("a", "apple")
    write("b", "pear")
    registry = things(package)
    registry.register_family("own", lambda rest: Entry(f"own:{rest}"))
    with pytest.raises(Refused) as refusal:
        registry.get("appel")
    assert str(refusal.value) == (
        "there is no thing called 'appel': did you mean 'apple'? known are apple, pear, own:..."
    )
    with pytest.raises(Refused) as refusal:
        registry.get("zzz")
    assert str(refusal.value) == "there is no thing called 'zzz': known are apple, pear, own:..."


def test_a_family_is_looked_up_by_the_rest_of_the_name(package: str, write: Write) -> None:
    write("a")
    registry = things(package)
    registry.register_family("own", lambda rest: Entry(rest))
    assert registry.get("own:path.py:make") == Entry("path.py:make")
    assert registry.families() == ("own:...",)
    assert registry.names() == ("a",), "the members of a family are not listed"
    with pytest.raises(Refused, match="no thing called 'own'"):
        registry.get("own")
    with pytest.raises(Refused, match="no thing called 'other:x'"):
        registry.get("other:x")


def test_another_home_may_not_take_a_name(package: str, write: Write) -> None:
    write("a", "apple")
    write("b", "apple")
    registry = things(package)
    for _ in range(2):  # at every look-up
        with pytest.raises(Refused, match=rf"^the thing name 'apple' is taken by {package}\.a\.?$"):
            registry.names()


def test_two_classes_of_one_module_may_not_share_a_name() -> None:
    registry: Registry[type] = Registry("thing", "workbench.export")

    class One:
        name = "x"

    class Other:
        name = "x"

    registry.register(One)
    with pytest.raises(Refused, match="the thing name 'x' is taken by .*One"):
        registry.register(Other)
    assert list(registry) == [One]


def test_two_entries_of_one_file_may_not_share_a_name(package: str, write: Write) -> None:
    write(
        "a",
        text=FILE.format(package=package, name="apple", value=1) + f"\n{package}.things.register(Thing('apple', 2))",
    )
    with pytest.raises(Refused, match=rf"^the thing name 'apple' is taken by {package}\.a$"):
        things(package).names()


def test_a_cell_that_is_run_again_replaces() -> None:
    registry: Registry[Entry] = Registry("thing", "workbench.export")
    notebook = {"__name__": "__main__", "__spec__": None, "registry": registry, "Entry": Entry}
    for value in (1, 2):
        exec(f"registry.register(Entry('x', {value}))", notebook)  # noqa: S102
    assert registry.get("x").value == 2


def test_the_same_home_replaces(package: str, write: Write) -> None:
    write("a", "apple", 1)
    registry = things(package)
    assert registry.get("apple").value == 1
    write("a", "apple", 200)
    importlib.reload(sys.modules[f"{package}.a"])
    assert registry.get("apple").value == 200
    assert registry.names() == ("apple",)


def test_a_broken_file_fails_at_every_look_up_until_it_is_mended(package: str, write: Write) -> None:
    write("a")
    write("b", text="raise RuntimeError('this file is broken')")
    registry = things(package)
    for look_up in (registry.names, lambda: registry.get("a"), lambda: list(registry), lambda: "a" in registry):
        with pytest.raises(RuntimeError, match="this file is broken"):
            look_up()
    write("b", "bee")
    assert registry.names() == ("a", "bee")


def test_register_is_a_decorator() -> None:
    registry: Registry[type] = Registry("thing", "workbench.export")

    @registry.register
    class Decorated:
        name = "decorated"

    assert Decorated.name == "decorated"
    assert registry.get("decorated") is Decorated


@pytest.mark.parametrize("registry", [techniques, models, data, measures], ids=lambda registry: registry.kind)
def test_the_real_registries_load(registry: Registry[Entry]) -> None:
    assert len(registry.names()) > 1
    assert [entry.name for entry in registry] == list(registry.names())
    with pytest.raises(Refused, match=f"there is no {registry.kind} called 'nonsense'"):
        registry.get("nonsense")
