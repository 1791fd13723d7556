"""A visitor's own weights in a real browser: taken, or refused before or after they were sent."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from safetensors.torch import save_file

from widgets.bridge.bringing import LIMIT_BYTES
from workbench.result import DataRef, Job, ModelRef
from workbench.run import prepare

pytestmark = [pytest.mark.ui, pytest.mark.slow]


def pick(page, path):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Weights of your own …").click()
    chooser.value.set_files(path)


def test_weights_are_taken_and_what_is_none_is_refused_in_a_sentence(dashboard, tmp_path):
    page = dashboard.page
    told = page.get_by_role("status")
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(len(frame))))

    large = tmp_path / "large.safetensors"
    with large.open("wb") as file:
        file.truncate(LIMIT_BYTES + 1)
    pick(page, large)
    expect(told.filter(has_text="large.safetensors has 90.0 MB, and at most 90 MB can be sent")).to_be_visible()
    assert sum(sent) < 10_000, "it was said before anything was sent"

    letter = tmp_path / "letter.txt"
    letter.write_text("Dear editor")
    pick(page, letter)
    expect(told.filter(has_text=re.compile("^letter.txt is no checkpoint.*nothing changed"))).to_be_visible()
    page.screenshot(path=tmp_path / "refused.png")
    before = dashboard.value("accuracy")

    job = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
    state = {name: value.clone() for name, value in prepare(job).model.state_dict().items()}
    state["linear.bias"][0] += 100.0  # everything is a zero now
    save_file(state, tmp_path / "zeros.safetensors")
    pick(page, tmp_path / "zeros.safetensors")
    expect(told.filter(has_text="weights of digits-cnn")).to_be_visible()
    zeros = dashboard.wait_for_change("accuracy", before)
    assert zeros < 0.2
    page.get_by_role("button", name="Back to its usual weights").click()
    assert dashboard.wait_for_change("accuracy", zeros) == before
