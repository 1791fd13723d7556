"""Recipes: what a field allows, and JSON that comes back as the same recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.recipe import FORMAT, Choice, Control, ModelName, PerLayer, Range, Recipe, Spec, Step, Switch, digest
from workbench.registry import techniques
from workbench.techniques.batchnorm import BatchNorm
from workbench.techniques.distill import Distill
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits


def values(spec: Spec) -> st.SearchStrategy[Any]:
    """Draw values that a field allows."""
    match spec:
        case Range():
            if spec.whole:
                return st.integers(int(spec.low), int(spec.high))
            return st.floats(spec.low, spec.high)
        case Choice():
            return st.sampled_from(spec.options)
        case Switch():
            return st.booleans()
        case ModelName():
            return st.sampled_from([*spec.special, "digits-cnn", "torchvision:resnet18"]) | st.text(min_size=1).filter(
                lambda text: not text.startswith("user:")
            )
        case PerLayer():
            return st.dictionaries(st.text(), values(spec.item), max_size=4)


steps = st.sampled_from(tuple(techniques)).flatmap(
    lambda technique: st.builds(technique, **{item.name: values(item.spec) for item in technique.fields()})
)
recipes = st.lists(steps, max_size=4).map(Recipe)


# fields


def test_a_range_says_what_is_allowed_and_what_came() -> None:
    with pytest.raises(Refused) as refusal:
        Magnitude(ratio=2.0)
    assert str(refusal.value) == "magnitude.ratio must be a number in [0, 0.99], got 2.0"
    with pytest.raises(Refused) as refusal:
        Range(1, 8, 1).check("bits", 2.5)
    assert str(refusal.value) == "bits must be a whole number in [1, 8], got 2.5"


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 0.99, 0.123456789])
def test_a_range_takes_its_ends_and_numbers_between_its_steps(value: float) -> None:
    kept = Range(0, 0.99, 0.01).check("x", value)
    assert kept == value
    assert isinstance(kept, float)


@pytest.mark.parametrize(
    "value",
    [-1e-9, 0.9901, float("nan"), float("inf"), 10**400, True, False, "0.5", None, [0.5]],
    ids=lambda value: str(value)[:20],
)
def test_a_range_refuses_everything_else(value: object) -> None:
    with pytest.raises(Refused, match=r"^x must be a number in \[0, 0.99\], got "):
        Range(0, 0.99, 0.01).check("x", value)


def test_whole_ranges_give_whole_numbers() -> None:
    assert Range(1, 8, 1).whole
    assert not Range(1, 8, 0.5).whole
    kept = Range(1, 8, 1).check("x", 4.0)
    assert (kept, type(kept)) == (4, int)


def test_minus_zero_is_zero() -> None:
    assert str(Range(0, 1, 0.1).check("x", -0.0)) == "0.0"


def test_a_choice_gives_its_own_option_back() -> None:
    bits = Choice(1, 2, 4)
    kept = bits.check("bits", 2.0)
    assert (kept, type(kept)) == (2, int)
    for value in (3, "2", True, None, float("nan"), [2]):
        with pytest.raises(Refused, match="^bits must be one of 1, 2, 4, got "):
            bits.check("bits", value)


def test_a_switch_takes_true_and_false_only() -> None:
    assert Switch().check("x", False) is False
    for value in (0, 1, "true", None):
        with pytest.raises(Refused, match="^x must be true or false, got "):
            Switch().check("x", value)


def test_a_model_name_may_not_name_code() -> None:
    name = ModelName(("original",))
    assert name.check("teacher", "torchvision:resnet18") == "torchvision:resnet18"
    for value in ("", 3, None, True):
        with pytest.raises(Refused, match="^teacher must be 'original' or the name of a model, got "):
            name.check("teacher", value)
    with pytest.raises(Refused, match="^distill.teacher must not be a user: model"):
        Distill(teacher="user:net.py:make")


def test_values_of_layers_are_sorted_pairs() -> None:
    spec = PerLayer(Range(0, 1, 0.1))
    assert spec.check("x", {"b": 1, "a": 0.5}) == (("a", 0.5), ("b", 1.0))
    assert spec.check("x", (("b", 1), ("a", 0.5))) == (("a", 0.5), ("b", 1.0))
    with pytest.raises(Refused) as refusal:
        spec.check("x", {"a": 2})
    assert str(refusal.value) == "x[a] must be a number in [0, 1], got 2"
    for value in (3, "text", [1, 2], None, {1: 0.5}):
        with pytest.raises(Refused, match="^x must map layer names to values, got "):
            spec.check("x", value)


def test_a_sentence_stays_short_whatever_came() -> None:
    for value in ("x" * 10_000, list(range(10_000)), {"x" * 10_000: 1}, 10**4000):
        with pytest.raises(Refused) as refusal:
            Magnitude(ratio=value)
        assert len(str(refusal.value)) < 200


def test_a_step_needs_a_spec_and_a_default_for_each_field() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Loose(Step):
        name = title = "loose"
        ratio: float = 0.5

        def apply(self, model: Any, ctx: Any) -> Any:
            return model

    @dataclass(frozen=True, kw_only=True)
    class Bare(Step):
        name = title = "bare"
        ratio: Annotated[float, Range(0, 1, 0.1)]

        def apply(self, model: Any, ctx: Any) -> Any:
            return model

    for wrong in (Loose, Bare):
        with pytest.raises(TypeError, match=f"{wrong.__name__}.ratio needs a default and exactly one of"):
            wrong.fields()


def test_a_step_has_at_least_one_field() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Empty(Step):
        name = title = "empty"

        def apply(self, model: Any, ctx: Any) -> Any:
            return model

    with pytest.raises(TypeError, match="Empty declares no field"):
        Empty()


def test_a_control_says_what_it_changes() -> None:
    with pytest.raises(TypeError, match="changes"):
        Control("no teacher")  # type: ignore[call-arg]


# text


def test_parse_reads_fields() -> None:
    step = Magnitude.parse("ratio=0.8,scope=layer,score=MAGNITUDE,layers=conv1:0.5+fc:0.9")
    wanted = Magnitude(ratio=0.8, scope="layer", score="magnitude", layers={"conv1": 0.5, "fc": 0.9})
    assert step == wanted
    assert WeightBits.parse("bits=4,per_channel=no,symmetric=true,layers=fc:8") == WeightBits(
        bits=4, per_channel=False, symmetric=True, layers={"fc": 8}
    )
    assert Distill.parse("teacher=torchvision:resnet18").teacher == "torchvision:resnet18"
    assert Finetune.parse("") == Finetune()


@pytest.mark.parametrize(
    ("technique", "text", "sentence"),
    [
        (
            Magnitude,
            "amount=1",
            "magnitude takes ratio=..., method=..., score=..., scope=..., layers=..., got 'amount=1'",
        ),
        (Magnitude, "ratio", "magnitude takes ratio=..., method=..., score=..., scope=..., layers=..., got 'ratio'"),
        (Magnitude, "ratio=half", "magnitude.ratio: expected a number in [0, 0.99], got 'half'"),
        (Magnitude, "ratio=nan", "magnitude.ratio must be a number in [0, 0.99], got nan"),
        (Magnitude, "ratio=1e999", "magnitude.ratio must be a number in [0, 0.99], got inf"),
        (Magnitude, "layers=conv1", "magnitude.layers: expected a number in [0, 0.99], got ''"),
        (WeightBits, "bits=0", "weight_bits.bits must be one of 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, got '0'"),
        (WeightBits, "symmetric=maybe", "weight_bits.symmetric must be true or false, got 'maybe'"),
    ],
)
def test_parse_refuses(technique: type[Step], text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        technique.parse(text)
    assert str(refusal.value) == sentence


def test_a_recipe_reads_as_a_sentence() -> None:
    assert str(Recipe()) == "original"
    recipe = Recipe((Magnitude(ratio=0.8, layers={"fc": 0.25}), WeightBits(bits=4, symmetric=True)))
    assert str(recipe) == "weight pruning (ratio 80 %, layers fc:25 %) → weight bits (bits 4, symmetric on)"


def test_a_switch_is_read_as_it_is_told() -> None:
    assert str(WeightBits(bits=4, correct=False)) == "weight bits (bits 4, correct off)"
    assert WeightBits.parse("bits=4,correct=off,symmetric=on") == WeightBits(bits=4, correct=False, symmetric=True)
    assert WeightBits(correct=False).to_dict()["correct"] is False


# JSON


@given(recipes)
def test_json_comes_back_as_the_same_recipe(recipe: Recipe) -> None:
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.to_json() == recipe.to_json()
    assert digest(again.to_dict()) == digest(recipe.to_dict())
    assert hash(again) == hash(recipe)


@given(recipes)
def test_json_is_plain(recipe: Recipe) -> None:
    content = json.loads(recipe.to_json())
    assert content["format"] == FORMAT
    assert [step["step"] for step in content["steps"]] == [step.name for step in recipe.steps]
    json.dumps(content, allow_nan=False)


def test_equal_recipes_have_equal_json() -> None:
    one = Recipe((Magnitude(ratio=0, layers={"b": 0.1, "a": 0.2}),))
    other = Recipe([Magnitude(ratio=-0.0, layers=[("a", 0.2), ("b", 0.1)])])  # type: ignore[arg-type]
    assert one == other
    assert one.to_json() == other.to_json()


def test_json_has_the_defaults_in_it() -> None:
    content = Recipe((BatchNorm(),)).to_dict()
    assert content == {
        "format": 1,
        "steps": [{"step": "batchnorm", "images": 256, "keep_better": True}],
    }


def test_left_out_fields_have_their_defaults() -> None:
    assert Recipe.from_json('{"format": 1, "steps": [{"step": "magnitude"}]}') == Recipe((Magnitude(),))


def one_step(fields: str) -> str:
    return f'{{"format": 1, "steps": [{{"step": "magnitude", {fields}}}]}}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a recipe is a JSON object, this text is not JSON: "),
        ("{", "a recipe is a JSON object, this text is not JSON: "),
        ("[" * 100_000, "a recipe is a JSON object, this text is not JSON: "),
        (one_step('"ratio": 1' + "0" * 5000), "a recipe is a JSON object, this text is not JSON: "),
        ("[]", 'a recipe is an object {"format": 1, "steps": [...]}, got something else'),
        ("null", 'a recipe is an object {"format": 1, "steps": [...]}, got something else'),
        ('{"format": 1}', 'a recipe is an object {"format": 1, "steps": [...]}, got something else'),
        ('{"format": 1, "steps": {}}', 'a recipe is an object {"format": 1, "steps": [...]}, got something else'),
        ('{"steps": []}', 'a recipe needs "format": 1, the number of how it is written, got None'),
        ('{"format": 0, "steps": []}', 'a recipe needs "format": 1, the number of how it is written, got 0'),
        ('{"format": true, "steps": []}', 'a recipe needs "format": 1, the number of how it is written, got True'),
        ('{"format": 1.0, "steps": []}', 'a recipe needs "format": 1, the number of how it is written, got 1.0'),
        (
            '{"format": 2, "steps": [{"step": "from the future"}]}',
            "this recipe has format 2, this workbench reads up to 1: please update it",
        ),
        ('{"format": 1, "steps": [3]}', 'each step of a recipe is an object {"step": NAME, ...}, got 3'),
        ('{"format": 1, "steps": [{}]}', 'each step of a recipe is an object {"step": NAME, ...}, got {}'),
        ('{"format": 1, "steps": [{"step": []}]}', 'each step of a recipe is an object {"step": NAME, ...}, got '),
        (
            '{"format": 1, "steps": [{"step": "magnitud"}]}',
            "there is no technique called 'magnitud': did you mean 'magnitude'? known are activation_bits, ",
        ),
        (one_step('"amount": 1'), "magnitude has the fields ratio, method, score, scope, layers, got 'amount'"),
        (one_step('"name": "x"'), "magnitude has the fields ratio, method, score, scope, layers, got 'name'"),
        (one_step('"__class__": 1'), "magnitude has the fields ratio, method, score, scope, layers, got '__class__'"),
        (one_step('"ratio": NaN'), "magnitude.ratio must be a number in [0, 0.99], got nan"),
        (one_step('"ratio": "0.5"'), "magnitude.ratio must be a number in [0, 0.99], got '0.5'"),
        (one_step('"ratio": 1' + "0" * 400), "magnitude.ratio must be a number in [0, 0.99], got 1000"),
        (one_step('"ratio": ' + "[" * 300 + "]" * 300), "magnitude.ratio must be a number in [0, 0.99], got [[["),
        (one_step('"layers": {"fc": 1}'), "magnitude.layers[fc] must be a number in [0, 0.99], got 1"),
        (one_step('"layers": [1]'), "magnitude.layers must map layer names to values, got [1]"),
    ],
    ids=lambda text: text[:50],
)
def test_bad_json_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        Recipe.from_json(text)
    assert str(refusal.value).startswith(sentence)
    assert len(str(refusal.value)) < 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_any_json_is_a_recipe_or_refused(content: Any) -> None:
    for wrapped in (
        content,
        {"format": 1, "steps": content},
        {"format": 1, "steps": [{"step": "distill", "x": content}]},
    ):
        try:
            Recipe.from_dict(wrapped)
        except Refused:
            continue
        assert wrapped["steps"] == []


def test_a_recipe_is_made_of_steps() -> None:
    with pytest.raises(Refused, match="^a recipe is made of steps such as activation_bits, .* got 'magnitude'$"):
        Recipe(("magnitude",))  # type: ignore[arg-type]


# control arms


def test_the_control_arm_takes_out_what_is_claimed_to_help() -> None:
    recipe = Recipe((Magnitude(ratio=0.7, scope="layer"), Finetune()))
    assert recipe.control() == (
        "random weights",
        Recipe((Magnitude(ratio=0.7, scope="layer", score="random"), Finetune())),
    )
    assert Recipe((Finetune(), BatchNorm())).control() is None
    assert Recipe().control() is None


def test_the_last_step_that_has_one_gives_the_control_arm() -> None:
    recipe = Recipe((Magnitude(), Distill(temperature=6)))
    assert recipe.control() == ("no teacher", Recipe((Magnitude(), Distill(temperature=6, alpha=0))))
    control = Recipe((Magnitude(), Distill(alpha=0)))
    assert control.control() is None
    assert control.is_control
    assert not recipe.is_control


def test_a_recipe_trains_if_one_of_its_steps_does() -> None:
    assert Recipe((Magnitude(), Finetune())).trains
    assert not Recipe((Magnitude(), WeightBits())).trains
