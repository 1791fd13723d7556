"""The format of activations: codes by hand, by torch's own fake quantization, and what survives what."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from workbench.activations import (
    ActivationFormat,
    activation_format,
    activation_formats,
    exact_activations,
    round_inputs_,
)
from workbench.context import fingerprint
from workbench.graph import graph_of

FINE = st.floats(-1000, 1000, width=32)


def layer(form: ActivationFormat | None) -> nn.Linear:
    """Return a layer that puts out what it reads, rounded."""
    result = nn.Linear(2, 2, bias=False)
    result.weight.data = torch.eye(2)
    round_inputs_(result, form)
    return result


def test_two_bits_by_hand() -> None:
    # from -1 to 5 in three steps of 2; the zero point is round(1/2) = 0, half to even, so the grid is 0, 2, 4, 6
    form = ActivationFormat.spanning(-1.0, 5.0, 2)
    assert (form.scale, form.zero) == (2.0, 0)
    x = torch.tensor([-9.0, -1.0, 0.0, 0.9, 1.1, 3.0, 5.0, 9.0])
    assert form.rounded(x).tolist() == [0, 0, 0, 0, 2, 4, 4, 6]  # 1.5 and 2.5 go to the even 2


def test_after_a_relu_the_range_starts_at_zero() -> None:
    form = ActivationFormat.spanning(0.0, 25.5, 8)
    assert form.zero == 0
    assert form.scale == torch.tensor(0.1).item()


def test_a_range_that_does_not_hold_zero_is_widened_to_it() -> None:
    assert ActivationFormat.spanning(2.0, 3.0, 2) == ActivationFormat.spanning(0.0, 3.0, 2)
    below = ActivationFormat.spanning(-3.0, -2.0, 2)
    assert below == ActivationFormat(bits=2, scale=1.0, zero=3)


def test_a_point_has_the_scale_one() -> None:
    form = ActivationFormat.spanning(0.0, 0.0, 4)
    assert (form.scale, form.zero) == (1.0, 0)
    assert ActivationFormat.spanning(0.0, 1e-45, 4).scale == 1.0


@given(FINE, FINE, st.integers(2, 8), st.lists(FINE, min_size=1, max_size=9))
def test_it_is_what_onnx_says(a: float, b: float, bits: int, values: list[float]) -> None:
    form = ActivationFormat.spanning(min(a, b), max(a, b), bits)
    x = torch.tensor(values)
    codes = ((x / torch.tensor(form.scale)).round() + form.zero).clamp(0, 2**bits - 1)
    assert torch.equal(form.rounded(x), (codes - form.zero) * torch.tensor(form.scale))
    assert form.rounded(torch.zeros(1)).item() == 0
    assert torch.equal(form.rounded(form.rounded(x)), form.rounded(x))


@given(st.floats(0.125, 100, width=32), st.integers(0, 255))
def test_it_is_what_torch_does(scale: float, zero: int) -> None:
    # torch multiplies with the inverse, so values near the middle between two codes are left out
    form = ActivationFormat(bits=8, scale=scale, zero=zero)
    x = torch.linspace(-300, 300, 601) * scale + 0.25 * scale
    other = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)
    torch.testing.assert_close(form.rounded(x), other, rtol=1e-6, atol=0)


def test_sixteen_bits_are_halves_that_do_not_overflow() -> None:
    x = torch.tensor([0.1, 1e6, -1e6])
    assert ActivationFormat.spanning(-1, 1, 16).rounded(x).tolist() == [torch.tensor(0.1).half().item(), 65504, -65504]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_stay_what_they_are(dtype: torch.dtype) -> None:
    form = ActivationFormat(bits=4, scale=0.5, zero=8)
    assert form.rounded(torch.tensor([0.3, -9.0], dtype=dtype)).tolist() == [0.5, -4]
    assert form.rounded(torch.ones(1, dtype=dtype)).dtype == dtype


def test_nan_is_not_hidden() -> None:
    assert ActivationFormat(bits=4).rounded(torch.tensor([torch.nan])).isnan().all()


def test_gradients_go_straight_through_inside_of_the_range() -> None:
    x = torch.tensor([-2.0, 0.3, 1.4, 99.0], requires_grad=True)
    y = ActivationFormat(bits=2, scale=1.0, zero=1).rounded(x)
    assert y.tolist() == [-1, 0, 1, 2]
    (y * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 0]


def test_a_layer_rounds_what_it_reads() -> None:
    rounding = layer(ActivationFormat(bits=4, scale=1.0, zero=0))
    x = torch.tensor([[0.4, 7.6]])
    assert rounding(x).tolist() == [[0, 8]]
    with exact_activations():
        assert torch.equal(rounding(x), x)
    round_inputs_(rounding, None)
    assert torch.equal(rounding(x), x)
    round_inputs_(rounding, ActivationFormat(bits=4, scale=4.0, zero=0))
    assert rounding(x).tolist() == [[0, 8]]
    assert len(rounding._forward_pre_hooks) == 1


def test_copies_have_formats_of_their_own() -> None:
    first = layer(ActivationFormat(bits=4))
    second = copy.deepcopy(first)
    round_inputs_(second, ActivationFormat(bits=2))
    assert activation_formats(nn.Sequential(first, second)) == {
        "0": ActivationFormat(bits=4),
        "1": ActivationFormat(bits=2),
    }
    x = torch.tensor([[9.0, 1.0]])
    assert (first(x).tolist(), second(x).tolist()) == ([[9, 1]], [[3, 1]])
    round_inputs_(second, None)
    assert activation_format(first) == ActivationFormat(bits=4)


def test_functional_call_rounds_too() -> None:
    x, weight = torch.tensor([[9.0, 1.0]]), torch.eye(2) * 2
    called = torch.func.functional_call(layer(ActivationFormat(bits=2)), {"weight": weight}, (x,))
    assert called.tolist() == [[6, 2]]


def test_a_fingerprint_knows_the_rounding() -> None:
    forms = (None, ActivationFormat(bits=2), ActivationFormat(bits=3))
    assert len({fingerprint(layer(form)) for form in forms}) == 3


def test_a_trace_sees_the_format_and_not_the_rounding() -> None:
    free, rounded = (graph_of(layer(form), torch.ones(1, 2)) for form in (None, ActivationFormat(bits=2)))
    assert rounded.ops == free.ops
    assert [graph.values[graph.inputs[0]].bits for graph in (free, rounded)] == [32, 2]


class Odd(nn.Linear):
    """A user's layer that reads whole numbers, and may be called with names only."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.float())


def test_what_is_no_float_stays_as_it_is() -> None:
    odd = Odd(2, 2, bias=False)
    odd.weight.data = torch.eye(2)
    round_inputs_(odd, ActivationFormat(bits=2))
    assert odd(torch.tensor([[9, 1]])).tolist() == [[9, 1]]
    assert odd(input=torch.tensor([[9.0, 1.0]])).tolist() == [[9, 1]]
    assert odd(torch.tensor([[9.0, 1.0]])).tolist() == [[3, 1]]
