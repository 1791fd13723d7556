"""Device files: those that come along are complete, and whatever is wrong in one is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.devices import shelf
from workbench.devices._reading import read_profile
from workbench.devices.profile import ASSUMPTION, DERIVED, Figure, Profile
from workbench.errors import Refused

SHIPPED = Path(shelf.__file__).parent
TEXT = (SHIPPED / "cortex_m4.toml").read_text()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return tmp_path


def figures(profile: Profile) -> list[Figure]:
    efficiency = profile.efficiency
    found = [*profile.rates.values(), *profile.energy_pj.values(), efficiency.low, efficiency.typical, efficiency.high]
    found += [profile.bandwidth_bytes_s, profile.ram_bytes, profile.overhead_s, profile.start_s]
    found += [profile.byte_pj, profile.idle_w, profile.flash_bytes, profile.two_four, profile.usd_per_hour]
    return [figure for figure in found if figure is not None]


def test_the_devices_that_people_ask_for_are_there() -> None:
    names = {profile.name for profile in shelf.devices()}
    assert names >= {"cortex-m4", "cortex-m7", "esp32-s3", "raspberry-pi-4", "raspberry-pi-5", "phone", "edge-tpu"}
    assert names >= {"jetson-orin-nano", "laptop", "t4", "h100", "fpga"}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_each_figure_has_a_page_or_says_that_it_is_supposed(path: Path) -> None:
    profile = read_profile(path)
    assert profile.name == path.stem.replace("_", "-")
    for figure in figures(profile):
        assert figure.source.startswith("https://") or (figure.source in (ASSUMPTION, DERIVED) and figure.note)
    assert {*profile.energy_pj} == {*profile.rates}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_energies_that_follow_from_power_do(path: Path) -> None:
    profile = read_profile(path)
    for kind, figure in profile.energy_pj.items():
        power = re.match(r"\(?(\d[\d.]*) W[^/]*?(?:- (\d[\d.]*) W idle\) )?/ \(rate", figure.note)
        if figure.source == DERIVED:
            assert power is not None, figure.note
            watts = float(power[1]) - float(power[2] or 0)
            expected = watts / (profile.rates[kind].value * profile.efficiency.typical.value) * 1e12
            assert figure.value == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("ram_bytes = { value = 131_072", "ram_bytes = { value = -1", "ram_bytes must be more than 0, got -1"),
        ("ram_bytes = { value = 131_072", "rum_bytes = { value = 131_072", "ram_bytes is missing"),
        ("overhead_s = { value = 5e-6", "overhead_s = { value = -5e-6", "overhead_s must be 0 or more, got -5e-06"),
        ("value = 5e-6", "value = nan", "overhead_s must have a number as its value, got nan"),
        ("value = 5e-6", "value = true", "overhead_s must have a number as its value, got True"),
        ("float32_pj = ", "float23_pj = ", "energy.float32_pj is missing"),
        ('name = "cortex-m4"', "name = 4", "name must be a text, got 4"),
        ('kind = "microcontroller"', 'kind = "toaster"', "kind must be one of microcontroller, computer"),
        ('"depthwise", ', '"deepwise", ', "runs must list some of conv, depthwise"),
        ('source = "st"', 'source = "hearsay"', "needs a source that [sources] gives a web address for, got 'hearsay'"),
        (', note = "a bare loop"', "", "start_s has the source 'assumption', so it needs a note"),
        ("low = { value = 0.1", "low = { value = 0.4", "efficiency must have low <= typical <= high"),
        ("high = { value = 0.5", "high = { value = 1.5", "efficiency.high must be a fraction in (0, 1], got 1.5"),
        ("[sources]", "colour = 1\n[sources]", "colour is no field of a device"),
        ("[rates]", "[rates]\nint3 = 1", "rates.int3 is no field of a device"),
        ("[rates]", "[rates", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    assert before in TEXT
    path.write_text(TEXT.replace(before, after, 1))
    with pytest.raises(Refused) as caught:
        read_profile(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_device_of_ones_own_joins_the_others_and_is_read_anew(home: Path) -> None:
    (home / "devices").mkdir()
    mine = home / "devices" / "mine.toml"
    mine.write_text(TEXT.replace('name = "cortex-m4"', 'name = "mine"'))
    assert shelf.device("mine").flash_bytes == shelf.device("cortex-m4").flash_bytes
    mine.write_text(TEXT.replace('title = "STM32F446RE (Nucleo)"', 'title = "Ours"'))
    assert shelf.device("cortex-m4").title == "Ours"
    with pytest.raises(Refused, match="there is no device called 'mine': known are"):
        shelf.device("mine")
