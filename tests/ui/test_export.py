"""The export panel in a real browser: a file is made, tried and downloaded, by names and keys."""

from __future__ import annotations

import zipfile

import pytest

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def test_a_network_is_taken_away_as_code_and_as_a_packed_file(dashboard, tmp_path):
    page = dashboard.page
    size = dashboard.value("size_bytes")
    dashboard.tick("Weight bits")
    dashboard.wait_for_change("size_bytes", size)
    page.get_by_role("button", name="Show the formats").focus()
    page.keyboard.press("Enter")
    export = page.get_by_role("button", name="Export", exact=True)
    for title in ("Python code", "Packed file"):
        page.get_by_label("Format", exact=True).select_option(label=title)
        export.and_(page.locator(":enabled")).click()
        page.get_by_role("button", name=f"Download: {title}").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download: Python code").click()
    assert download.value.suggested_filename == "digits-cnn.zip"
    download.value.save_as(tmp_path / "net.zip")
    with zipfile.ZipFile(tmp_path / "net.zip") as archive:
        assert archive.namelist() == ["model.py", "model.safetensors", "README.md"]
        assert b"class Network(nn.Module):" in archive.read("model.py")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download: Packed file").click()
    download.value.save_as(tmp_path / "net.dsw")
    assert (tmp_path / "net.dsw").stat().st_size == dashboard.value("size_bytes")
