"""`workbench devices`, and devices in `workbench list`."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.resources import cache_home


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Every test has a home of its own."""


def test_each_device_is_listed_with_its_sources(workbench) -> None:
    rows = {row["name"]: row for row in workbench("list", "devices", "--json").json}
    assert rows["cortex-m4"]["ram_bytes"] == 131_072
    assert rows["t4"]["rates"]["int8"]["source"].startswith("https://")
    assert "STM32F446RE" in workbench("list", "devices").out


def test_a_network_on_each_device(workbench) -> None:
    rows = {row["device"]: row for row in workbench("devices", "digits-mlp", "--data", "digits", "--json").json}
    assert len(rows) >= 12
    latency = rows["cortex-m4"]["latency_ms"]
    assert 0 < latency["low"] < latency["value"] < latency["high"]
    assert latency["how"] == "modelled"
    assert rows["edge-tpu"]["latency_ms"] is None
    assert "int8 only" in rows["edge-tpu"]["refused"][0]
    assert rows["cortex-m4"]["usd_per_million"] is None
    assert rows["h100"]["usd_per_million"]["value"] == pytest.approx(rows["h100"]["latency_ms"]["value"] / 3.6 * 3)


def test_a_recipe_grid_and_price(workbench) -> None:
    asked = ("devices", "digits-mlp", "--data", "digits", "--on", "cortex-m4", "--price", "1", "--json")
    (plain,) = workbench(*asked, "--grid", "100").json
    (eight,) = workbench(*asked, "--grid", "200", "--bits", "8", "--activations", "8").json
    assert eight["flash"]["needed_bytes"] < plain["flash"]["needed_bytes"] / 3
    assert eight["latency_ms"]["value"] < plain["latency_ms"]["value"] / 3
    assert eight["usd_per_million"]["value"] == pytest.approx(eight["latency_ms"]["value"] / 3.6)
    assert eight["grams_per_million"]["value"] == pytest.approx(eight["energy_mj"]["value"] * 200 / 3600)
    shown = workbench(*asked[:-1]).out
    assert "fits" in shown
    assert "modelled" in shown


def test_what_is_wrong_is_said(workbench) -> None:
    asked = ("devices", "digits-mlp", "--data", "digits")
    assert "there is no device called 'toaster': known are" in workbench(*asked, "--on", "toaster").err
    assert "grams of CO2 a kWh" in workbench(*asked, "--grid", "Atlantis").err
    folder = cache_home() / "devices"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('name = "mine"')
    outcome = workbench("list", "devices")
    assert outcome.code == 3
    assert "mine.toml: rates must have at least one of int4" in outcome.err
