"""Pages that open with a link, and pages that make one, without a browser."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from widgets.copy_link import CopyLink
from widgets.panels.model import ModelPanel
from widgets.panels.tradeoff import TradeoffPanel
from widgets.state import AppState
from workbench.errors import Refused
from workbench.link import fragment, read
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

STEPS = (techniques.get("magnitude")(ratio=0.8), techniques.get("weight_bits")(bits=4))


class Idle:
    """Stands in for the engine, which has found no network yet: these panels ask it for nothing else."""

    architectures = SimpleNamespace(kept=lambda: ())


def job(*steps, model="digits-cnn", data="digits", seed=0):
    return Job(model=ModelRef(name=model), data=DataRef(name=data), recipe=Recipe(steps), seed=seed)


@pytest.fixture
def state():
    made = AppState("digits-mlp", DataRef(name="digits", root="here"))
    made.engine = Idle()
    return made


@pytest.fixture
def panel(state):
    return ModelPanel(state, ("user:net.py:build",), ("folder:pictures",))


def arrive(state, address, **more):
    state.page._handle_custom_msg({"hash": address, **more}, [])


def chosen(state):
    return state.model, state.data, state.recipe, state.seed


def test_a_page_that_opens_with_a_link_takes_it(state, panel):
    arrive(state, fragment(job(*STEPS, seed=7)), shown=True)
    assert chosen(state) == (ModelRef(name="digits-cnn"), DataRef(name="digits", root="here"), Recipe(STEPS), 7)
    assert panel.model.value == "digits-cnn"
    assert panel.linked.value == ""
    arrive(state, fragment(job(model="lenet5", data="mnist")))
    assert chosen(state) == (ModelRef(name="lenet5"), DataRef(name="mnist"), Recipe(), 0)


def test_all_changes_are_told_together(state, panel):
    seen = []
    state.observe(lambda _: seen.append(chosen(state)), ["model", "data", "recipe", "seed"])
    arrive(state, fragment(job(*STEPS, model="lenet5", data="mnist", seed=1)))
    assert set(map(str, seen)) == {str(chosen(state))}


def test_the_same_link_does_not_undo_what_came_after(state, panel):
    arrive(state, fragment(job(*STEPS)))
    state.put(recipe=Recipe())
    arrive(state, fragment(job(*STEPS)), shown=True)
    assert state.recipe == Recipe()


@pytest.mark.parametrize("address", ["", "#", "#how-to-read-this", None, 7, {}])
def test_other_addresses_are_left_alone(state, panel, address):
    before = chosen(state)
    arrive(state, address)
    state.page._handle_custom_msg("hello", [])
    assert chosen(state) == before
    assert panel.linked.value == ""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (fragment(job(*STEPS))[:-9], "The end of this link is missing"),
        ("#w1=" + "A" * 1_000_000, "may have 16,384 characters"),
        ("#w7=abc", "please update it"),
        (fragment(job(model="no-such-net")), "the model no-such-net, which this page does not offer"),
        (fragment(job(data="<script>")), "the data set &lt;script&gt;, which this page does not offer"),
        (fragment(job(model="torchvision:no_such_net")), "no_such_net, which this page does not offer"),
    ],
)
def test_what_is_refused_is_said_and_nothing_changes(state, panel, address, words):
    before = chosen(state)
    arrive(state, address)
    assert chosen(state) == before
    assert 'role="alert"' in panel.linked.value
    assert words in panel.linked.value
    assert "nothing has changed" in panel.linked.value
    state.put(recipe=Recipe(STEPS))
    assert panel.linked.value == "", "whoever moves on has read it"


def test_networks_of_torchvision_can_be_named_as_anybody_may_type_them(state, panel):
    arrive(state, fragment(job(model="torchvision:resnet18", data="cifar10")))
    assert state.model == ModelRef(name="torchvision:resnet18")


def test_a_copied_link_carries_what_the_sliders_show(state):
    plot, sent = TradeoffPanel(state), []
    plot.link.send = sent.append
    state.put(recipe=Recipe(STEPS), seed=3)
    plot.link._handle_custom_msg({"wanted": True}, [])
    assert read(sent[0]["link"]) == job(*STEPS, model="digits-mlp", seed=3)
    state.put(model=ModelRef(name="user:net.py:build"))
    plot.link._handle_custom_msg({"wanted": True}, [])
    assert "share the recipe file instead" in sent[1]["refused"]


def test_a_refusal_is_sent_as_its_sentence():
    def refuse():
        raise Refused("no such thing")

    button, sent = CopyLink(refuse), []
    button.send = sent.append
    button._handle_custom_msg({"wanted": True}, [])
    assert sent == [{"refused": "no such thing"}]
