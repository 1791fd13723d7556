"""Links: what goes in comes out, and nothing that anybody may write into an address does harm."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.link import carries, fragment, read
from workbench.recipe import Choice, PerLayer, Range, Recipe, Switch
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")
PLAIN = {"model": "digits-cnn", "data": "digits", "recipe": {"format": 1, "steps": []}, "seed": 0}


def job(*steps, seed=0, model="digits-cnn", data="digits"):
    return Job(model=ModelRef(name=model), data=DataRef(name=data), recipe=Recipe(steps), seed=seed)


def written(content, version=1):
    """The fragment of any content, by hand."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return f"#w{version}={base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip('=')}"


def refused(text):
    with pytest.raises(Refused) as caught:
        read(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 500
    return sentence


def values(spec):
    """Values that a field allows."""
    match spec:
        case Range() if spec.whole:
            return st.integers(int(spec.low), int(spec.high))
        case Range():
            return st.floats(spec.low, spec.high)
        case Choice():
            return st.sampled_from(spec.options)
        case Switch():
            return st.booleans()
        case PerLayer():
            return st.dictionaries(st.text(max_size=8), values(spec.item), max_size=3)
        case _:
            return st.sampled_from(spec.special or ("digits-cnn",))


@st.composite
def steps(draw):
    """A step of any technique with the defaults of most fields."""
    cls = draw(st.sampled_from(list(techniques)))
    chosen = draw(st.lists(st.sampled_from(cls.fields()), max_size=3, unique_by=lambda field: field.name))
    return cls(**{field.name: draw(values(field.spec)) for field in chosen})


@given(st.lists(steps(), max_size=5), st.integers(0, 2**63 - 1), st.sampled_from(["digits-cnn", "torchvision:vgg11"]))
def test_a_job_comes_back_from_its_link(made, seed, model):
    asked = job(*made, seed=seed, model=model)
    link = fragment(asked)
    assert carries(link)
    assert read(link) == asked
    assert read(f"https://example.org/lab/tree/x.ipynb?theme=dark{link}") == asked
    assert set(link[4:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("technique", list(techniques), ids=lambda technique: technique.name)
def test_every_technique_travels(technique):
    assert read(fragment(job(technique()))).recipe == Recipe((technique(),))


def test_equal_jobs_have_equal_links_and_a_usual_one_is_short():
    link = fragment(job(MAGNITUDE(ratio=0.8), BITS(bits=4)))
    assert link == fragment(job(MAGNITUDE(ratio=0.8), BITS(bits=4)))
    assert len(link) < 500


def test_device_and_folder_stay_at_home():
    here = dataclasses.replace(job(), device="cuda", data=DataRef(name="digits", root="/home/me/data"))
    assert read(fragment(here)) == job()


def test_a_link_is_found_among_other_parts_and_as_programs_rewrite_it():
    link = fragment(job(BITS(bits=3)))
    for address in (f"  http://h/{link} ", link[1:], f"#top&{link[1:]}", link.replace("=", "%3D")):
        assert read(address) == job(BITS(bits=3))
    assert not carries("")
    assert not carries("#how-to-read-this")
    assert not carries("http://h/?w1=abc")


@pytest.mark.parametrize(
    "mine",
    [
        job(model="user:net.py:build"),
        job(data="folder:pictures"),
        Job(model=ModelRef(name="resnet20", checkpoint="mine.pt"), data=DataRef(name="cifar10")),
        Job(model=ModelRef(name="resnet20", mean=(0.5,)), data=DataRef(name="cifar10")),
        Job(model=ModelRef(name="lenet5"), data=DataRef(name="mnist"), test_data=DataRef(name="digits")),
    ],
)
def test_what_is_the_persons_own_does_not_travel_and_the_way_out_is_named(mine):
    with pytest.raises(Refused, match="share the recipe file instead"):
        fragment(mine)


def test_a_recipe_that_is_too_long_is_refused_with_the_way_out():
    endless = BITS(layers={f"layer {number * 7919 % 99991} of a very long list": 4 for number in range(9000)})
    with pytest.raises(Refused, match="too long for a link: share the recipe file"):
        fragment(job(endless))


def test_a_link_from_long_ago_is_still_read():
    text = (
        "#w1=eNpNj9EKAiEQRf_lPksUFIW_EhHTOu0Kri46Wyyy_95YQb3pHc-5Y4UjIViM0ReBwZgcB70HjiwHDTJ3fmLYinvKIwnszqAITwX2XBFo"
        "4azHuirLMiSncE5zdKXBJD7BbjcnZbrUPOhDulHAO8gtoFkSPs62CPXRy-wYq6m4eVH53kDf6ibaLnlm86vVQXzsYE___V_jxPnaDRRj-9GH-5Y8"
        "2feDXN92DZdR0ew72DuFwutFZYVZVcf1BTGSYNU"
    )
    old = read(text)
    assert old.recipe == Recipe((MAGNITUDE(ratio=0.8), BITS(bits=4, layers={"conv1": 8})))
    assert (old.model, old.data, old.seed) == (ModelRef(name="lenet5"), DataRef(name="mnist"), 7)


WHOLE = fragment(job(MAGNITUDE(ratio=0.8)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a link that ends in #w1="),
        ("http://h/#top", "expected a link that ends in #w1="),
        ("#w1=", "cut off after"),
        ("#w0=abc", "starts with #w1="),
        ("#w2=abc", "version 2, this workbench reads up to 1: please update it"),
        ("#w1=abc", "changed or cut off"),
        ("#w1=a", "the end of this link is missing"),
        ("#w1=ab!d", "'!' does not belong there"),
        ("#w1=ab\ncd", "does not belong there"),
        *((WHOLE[:-missing], "the end of this link is missing") for missing in range(1, 10)),
        (WHOLE[:40], "the end of this link is missing"),
        (WHOLE[:20] + ("A" if WHOLE[20] != "A" else "B") + WHOLE[21:], "changed or cut off"),
        ("#w1=" + "A" * 20_000, "may have 16,384 characters"),
        (written(b" " * 10_000_000), "more than 262,144 bytes"),
        (written(b"[" * 200_000), "not the JSON of a job"),
        (written(b'{"a":' * 50_000), "not the JSON of a job"),
        (written(b"\xff\xfe"), "not the JSON of a job"),
        (written(b'"\\ud800"'), "not the JSON of a job"),
        (written(b"9" * 5000), "not the JSON of a job"),
        (written([]), "holds model, data, recipe and seed"),
        (written({**PLAIN, "code": "import os"}), "holds model, data, recipe and seed"),
        (written({**PLAIN, "model": 7}), "names its model"),
        (written({**PLAIN, "model": "m" * 500}), "names its model"),
        (written({**PLAIN, "data": ""}), "names its data"),
        (written({**PLAIN, "model": "user:net.py:build"}), "must not name files of a machine"),
        (written({**PLAIN, "data": "folder:/etc"}), "must not name files of a machine"),
        (written({**PLAIN, "seed": -1}), "the seed must be"),
        (written({**PLAIN, "seed": 1.5}), "the seed must be"),
        (written({**PLAIN, "seed": True}), "the seed must be"),
        (written({**PLAIN, "seed": 10**4000}), "the seed must be"),
        (written({**PLAIN, "recipe": None}), "a recipe is an object"),
        (written({**PLAIN, "recipe": {"format": 9, "steps": []}}), "format 9, this workbench reads up to 1"),
        (written({**PLAIN, "recipe": {"format": 1, "steps": [{"step": "melt"}]}}), "no technique called 'melt'"),
        (written({**PLAIN, "recipe": {"format": 1, "steps": [{"step": "m" * 90_000}]}}), "no technique called"),
        (
            written({**PLAIN, "recipe": {"format": 1, "steps": [{"step": "magnitude", "code": 1}]}}),
            "magnitude has the fields",
        ),
        (
            written({**PLAIN, "recipe": {"format": 1, "steps": [{"step": "magnitude", "ratio": 7}]}}),
            "magnitude.ratio must be a number",
        ),
        (
            written(
                b'{"model":"m","data":"d","seed":0,"recipe":{"format":1,"steps":[{"step":"magnitude","ratio":NaN}]}}'
            ),
            "magnitude.ratio must be a number",
        ),
        (written({**PLAIN, "recipe": {"format": 1, "steps": [{"step": "magnitude"}] * 101}}), "may carry 100 steps"),
    ],
)
def test_a_broken_link_is_refused_in_one_clear_sentence(text, words):
    assert words in refused(text)


def test_something_added_to_the_end_is_noticed():
    packed = base64.urlsafe_b64decode(WHOLE[4:] + "=" * (-len(WHOLE[4:]) % 4))
    assert "something was added" in refused("#w1=" + base64.urlsafe_b64encode(packed + b"more").decode().rstrip("="))


@given(st.integers(4, len(WHOLE) - 1), st.sampled_from("AZaz09-_%=&# "))
def test_one_other_character_is_refused_or_changes_nothing(place, character):
    changed = WHOLE[:place] + character + WHOLE[place + 1 :]
    try:
        found = read(changed)
    except Refused:
        return
    assert found == read(WHOLE)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    for address in (text, f"#w1={text}", written(text.encode("utf-8", "replace"))):
        try:
            found = read(address)
        except Refused:
            continue
        assert isinstance(found, Job)
