"""Where the shipped files and the user's own are looked for."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from workbench import resources

ROOT = Path(__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package lie in an empty folder."""
    folder = tmp_path / "site-packages" / "workbench"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


def test_in_a_checkout_the_files_are_those_of_the_repository() -> None:
    assert resources.datasets() == ROOT / "datasets"
    assert (resources.datasets() / "digits" / "card.md").is_file()
    assert resources.dashboard().parent.parent == resources.notebooks() == ROOT / "notebooks"


def test_in_a_wheel_the_files_are_inside_the_package(package: Path) -> None:
    (package / "_share").mkdir()
    (package.parent / "datasets").mkdir()  # somebody else's package of that name
    assert resources.datasets() == package / "_share" / "datasets"
    assert resources.notebooks() == package / "_share" / "notebooks"


def test_without_shared_files_inside_the_folder_above_is_taken(package: Path) -> None:
    assert resources.share() == package.parent


def test_the_users_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "mine"))
    assert resources.cache_home() == tmp_path / "mine"
    assert not (tmp_path / "mine").exists()
    monkeypatch.setenv("WORKBENCH_HOME", str(Path("~") / "mine"))
    assert resources.cache_home() == Path.home() / "mine"


def test_otherwise_it_is_the_one_that_the_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", "")
    assert resources.cache_home() == platformdirs.user_data_path("downsizing-workbench", appauthor=False)
    assert resources.cache_home().name == "downsizing-workbench"
