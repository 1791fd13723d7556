"""The quickest way to ask a network is taken only where it answers alike, and folds only what is certain."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

import workbench.forward as fast
from workbench.context import Cache
from workbench.models._load import build


class Net(nn.Module):
    """A convolution and a batch norm with statistics of their own; `forward` is what the tests vary."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 3)
        with torch.no_grad():
            self.norm.running_mean.uniform_(-1, 1)
            self.norm.running_var.uniform_(0.5, 2)
            self.norm.weight.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x)).relu().mean((2, 3)))


class Between(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x).relu()).mean((2, 3)))


class ReadTwice(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.linear((self.norm(y) + y).mean((2, 3)))


class RunTwice(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear((self.norm(self.conv(x)) + self.conv(x)).mean((2, 3)))


class WeightRead(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear((self.norm(self.conv(x)) + F.conv2d(x, self.conv.weight)).mean((2, 3)))


class TwoNames(Net):
    def __init__(self) -> None:
        super().__init__()
        self.alias = self.conv

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.alias(x)).mean((2, 3)))


class Views(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return self.linear(y.view(len(y) * 6, -1).mean(1).view(-1, 6))


def hooked(net: Net) -> Net:
    net.conv.register_forward_hook(lambda module, inputs, output: output.relu())
    return net


def parametrized(net: Net) -> Net:
    parametrize.register_parametrization(net.conv, "weight", nn.Tanh())
    return net


def untracked(net: Net) -> Net:
    net.norm = nn.BatchNorm2d(6, track_running_stats=False)
    return net


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(20, 2, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Nothing was tried yet, and a network and its twin take as long as is said here."""
    took = {"network": 1.0, "twin": 0.5}
    monkeypatch.setattr(fast, "_chosen", Cache(limit=64))
    monkeypatch.setattr(fast, "_time", lambda forward, _: took["network" if isinstance(forward, nn.Module) else "twin"])
    return took


def test_a_batch_norm_is_folded_into_the_convolution_before_it(inputs: Tensor) -> None:
    net = Net().eval()
    assert fast._pairs(net, inputs) == (("conv", "norm"),)
    assert len(fast._pairs(build("resnet20", 10).eval(), torch.zeros(2, 3, 32, 32))) == 19
    assert torch.allclose(fast._twin(net, (("conv", "norm"),))(inputs), net(inputs), atol=1e-5)
    assert isinstance(net.norm, nn.BatchNorm2d), "the network is left as it is"


@pytest.mark.parametrize(
    "net",
    [
        *(Between(), ReadTwice(), RunTwice(), WeightRead(), TwoNames()),
        *(hooked(Net()), parametrized(Net()), untracked(Net())),
    ],
    ids=lambda net: type(net).__name__,
)
def test_what_is_not_certain_is_not_folded(net: Net, inputs: Tensor, timed: dict[str, float]) -> None:
    net.eval()
    assert fast._tried(net, inputs) == ()
    forward = fast.quickest(net, inputs)
    assert forward is not net, "channels last alone are still worth it"
    assert torch.allclose(forward(inputs), net(inputs), atol=1e-5)


def test_the_network_itself_is_asked_unless_a_twin_is_clearly_faster(inputs: Tensor, timed: dict[str, float]) -> None:
    net = Net().eval()
    timed["twin"] = 0.9
    assert fast.quickest(net, inputs) is net
    timed["twin"] = 0.1
    assert fast.quickest(Net().eval(), inputs[:, :, :5]) is not net, "inputs of another shape are tried anew"
    assert fast.quickest(net, inputs) is net, "it is remembered"


def test_networks_of_one_structure_are_tried_once(
    inputs: Tensor, timed: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast.quickest(Net().eval(), inputs)
    monkeypatch.setattr(fast, "_tried", lambda *_: pytest.fail("it was tried again"))
    net = Net().eval()
    forward = fast.quickest(net, inputs)
    assert torch.allclose(forward(inputs), net(inputs), atol=1e-5)
    hook = hooked(Net()).eval()  # the same structure, where folding is no longer allowed
    assert torch.allclose(fast.quickest(hook, inputs)(inputs), hook(inputs), atol=1e-5)
    with pytest.raises(pytest.fail.Exception):
        fast.quickest(Between().eval(), inputs)


def test_a_network_that_minds_the_twin_is_asked_as_it_is(inputs: Tensor, timed: dict[str, float]) -> None:
    net = Views().eval()
    assert fast.quickest(net, inputs) is net


def test_a_twin_that_answers_otherwise_is_not_used(
    inputs: Tensor, timed: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "_twin", lambda model, _: lambda x: -model(x))
    net = Net().eval()
    assert fast.quickest(net, inputs) is net


def test_a_network_without_convolutions_is_asked_as_it_is(timed: dict[str, float]) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2)).eval()
    assert fast.quickest(net, torch.zeros(4, 2, 2, 2)) is net
