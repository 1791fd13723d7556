"""The pictures of what changed its answer: order, words, pixels, and no work while nobody looks."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from widgets.figures.flips import data_url, flips_html, flips_info
from widgets.panels.flips import told
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef, Result

CLASSES = ("cat", "dog", "<img src=x>")


def decoded(url):
    prefix = "data:image/png;base64,"
    assert url.startswith(prefix)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix(prefix)))))


def row(flips, seen=128, *, steps=True, provisional=()):
    recipe = Recipe((techniques.get("magnitude")(),)) if steps else Recipe()
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=recipe)
    details = {"accuracy": {"flips": flips, "images": seen, "of": 600}}
    return Result(job=job, key="k", details=details, provisional=provisional)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_every_pixel(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 5, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(data_url(pixels)), pixels[..., 0] if channels == 1 else pixels)


def test_a_large_picture_is_sent_smaller_and_in_its_shape():
    assert decoded(data_url(np.zeros((512, 256, 3), np.uint8))).shape == (128, 64, 3)


def test_those_that_are_now_wrong_come_first_and_each_says_what_it_is_was_and_is_called():
    flips = [
        {"index": 7, "label": 0, "was": 1, "now": 0},
        {"index": 3, "label": 0, "was": 0, "now": 1},
        {"index": 5, "label": 1, "was": 1, "now": 0},
    ]
    found = flips_info(flips, np.zeros((3, 8, 8, 1), np.uint8), CLASSES)
    assert [(flip.index, flip.lost) for flip in found] == [(3, True), (5, True), (7, False)]
    assert found[0].alt == "test image 3, cat: the original said cat, this network says dog"
    two = flips_info(flips[:1], np.zeros((1, 8, 8, 1), np.uint8), CLASSES, before="the left one", after="the right one")
    assert two[0].alt == "test image 7, cat: the left one said dog, the right one says cat"
    html = flips_html(found)
    assert html.count("✗ now wrong:<br>cat → dog") == 1
    assert html.count("✓ now right:<br>dog → cat") == 1
    assert html.count("dsw-lost") == 2
    assert html.count("dsw-gained") == 1


def test_class_names_cannot_be_html():
    flips = [{"index": 0, "label": 2, "was": 2, "now": 0}]
    assert "<img src=x>" not in flips_html(flips_info(flips, np.zeros((1, 8, 8, 3), np.uint8), CLASSES))


def test_how_many_and_of_how_many_is_told():
    flip = {"index": 0, "label": 2, "was": 2, "now": 0}
    assert told(row([flip])) == "One picture, after 128 of 600 test images."
    assert told(row([flip, flip], 600)) == "2 pictures, after all 600 test images."
    assert told(row([flip] * 12)) == "12 of the pictures, after 128 of 600 test images."
    assert told(row([], 600)) == "No picture, after all 600 test images."
    assert "not yet what you asked for" in told(row([flip], provisional=("x",)))
    assert "move a slider" in told(row([], 600, steps=False))
