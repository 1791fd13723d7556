"""Forms are plain objects: set a control, read the step; no kernel, no browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import ipywidgets as ipw
import pytest

from widgets.form import LayerValues, StepForm
from workbench.recipe import Choice, ModelName, PerLayer, Range, Step, Switch
from workbench.registry import techniques


@final
@dataclass(frozen=True, kw_only=True)
class Sample(Step):
    """Has one field of each kind."""

    name = "sample"
    title = "Sample"
    summary = "Nothing."
    paper = "https://example.org/<paper>"
    hurts_when = "Never, & always."
    order = 1

    share: Annotated[float, Range(0, 0.9, 0.01, "a share", percent=True)] = 0.25
    rate: Annotated[float, Range(0.001, 0.1, 0.001, log=True)] = 0.02
    count: Annotated[int, Range(1, 9, 1)] = 3
    bits: Annotated[int, Choice(1, 2, 4, 8)] = 4
    scope: Annotated[str, Choice("global", "layer")] = "layer"
    exact: Annotated[bool, Switch()] = True
    teacher: Annotated[str, ModelName(("original",))] = "original"
    layers: Annotated[tuple[tuple[str, float], ...], PerLayer(Range(0, 0.9, 0.01))] = ()

    def apply(self, model, ctx):
        return model


KINDS = {
    "share": ipw.FloatSlider,
    "rate": ipw.SelectionSlider,
    "count": ipw.IntSlider,
    "bits": ipw.SelectionSlider,
    "scope": ipw.Dropdown,
    "exact": ipw.Checkbox,
    "teacher": ipw.Dropdown,
}


@pytest.fixture
def form() -> StepForm:
    return StepForm(Sample)


def test_each_kind_of_field_gets_its_control(form):
    assert {name: type(c.inner) for name, c in form.controls.items() if name != "layers"} == KINDS
    assert isinstance(form.controls["layers"], LayerValues)
    share = form.controls["share"].inner
    assert (share.min, share.max, share.step, share.value) == (0, 90, 1, 25)
    assert share.tooltip == "a share"


def test_off_means_no_step_and_on_means_the_defaults(form):
    assert form.value is None
    form.on.value = True
    assert form.value == Sample()
    form.on.value = False
    assert form.value is None


def test_a_moved_control_changes_the_step_and_only_that_field(form):
    form.on.value = True
    form.controls["share"].value = 0.6
    form.controls["bits"].value = 8
    assert form.value == Sample(share=0.6, bits=8)


def test_a_value_sets_all_controls_once(form):
    seen = []
    form.observe(lambda change: seen.append(change.new), "value")
    wanted = Sample(share=0.5, rate=0.05, count=7, bits=1, scope="global", exact=False, layers={"fc": 0.25})
    form.value = wanted
    assert seen == [wanted]
    assert form.on.value
    assert {name: control.value for name, control in form.controls.items()} == {
        "share": 0.5,
        "rate": 0.05,
        "count": 7,
        "bits": 1,
        "scope": "global",
        "exact": False,
        "teacher": "original",
        "layers": (("fc", 0.25),),
    }


def test_a_rate_that_no_position_of_the_slider_has_is_kept(form):
    form.value = Sample(rate=0.042)
    assert form.value == Sample(rate=0.042)
    assert form.controls["rate"].value == 0.042


def test_none_switches_off_and_the_controls_keep_what_they_show(form):
    form.value = Sample(share=0.5)
    form.value = None
    assert not form.on.value
    form.on.value = True
    assert form.value == Sample(share=0.5)


def test_models_are_offered_and_an_unknown_one_is_kept(form):
    form.models = ("a-net", "b-net")
    assert form.controls["teacher"].inner.options == ("original", "a-net", "b-net")
    form.value = Sample(teacher="c-net")
    assert form.controls["teacher"].inner.value == "c-net"


def test_other_models_on_offer_change_no_value_on_the_way(form):
    form.models = ("a-net", "b-net")
    form.on.value = True
    form.value = Sample(teacher="b-net")
    seen = []
    form.observe(lambda change: seen.append(change["new"]), "value")
    form.models = ("c-net", "b-net")
    assert form.value == Sample(teacher="b-net")
    assert seen == []


def test_a_layer_gets_a_value_of_its_own_and_loses_it(form):
    form.on.value = True
    form.layers = ("conv1", "fc")
    editor = form.controls["layers"]
    editor._layer.value = "fc"
    editor._item.value = 0.75
    editor._set.click()
    assert form.value == Sample(layers={"fc": 0.75})
    assert "fc: 0.75" in editor._list.value
    editor._clear.click()
    assert form.value == Sample()


def test_names_of_layers_are_shown_as_text_not_as_html(form):
    form.value = Sample(layers={"<img src=x>": 0.5})
    assert "<img" not in form.controls["layers"]._list.value
    *_, about = form._fields.children
    assert "<paper>" not in about.value


@pytest.mark.parametrize("technique", list(techniques), ids=lambda t: t.name)
def test_every_registered_technique_has_a_form_that_gives_it_back(technique):
    form = StepForm(technique)
    assert form.value is None
    form.on.value = True
    assert form.value == technique()
    assert form.error == ""
    assert set(form.controls) == {field.name for field in technique.fields()}
    again = StepForm(technique)
    again.value = form.value
    assert again.value == form.value
