"""The context: generators by purpose, a cache that keeps no failure, and no test images."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest
import torch
from torch import nn

from workbench.context import Cache, Context, Progress, fingerprint, ignore, lent_generator
from workbench.errors import Cancelled
from workbench.images import Preprocess, TensorImages, View


def context(seed: int = 0) -> Context:
    def none(name: str) -> NoReturn:
        raise NotImplementedError(name)

    images = TensorImages(torch.arange(20, dtype=torch.uint8).view(5, 1, 2, 2), torch.arange(5))
    view = View(images, Preprocess((1, 2, 2), (0.0,), (1 / 255,)))
    return Context(
        original=nn.Linear(4, 5), train=view, validation=view, calibration=view, seed=seed, build=none, load=none
    )


def test_there_are_no_test_images() -> None:
    assert not hasattr(context(), "test")
    assert {item.name for item in dataclasses.fields(Context)} == {
        *("original", "train", "validation", "calibration", "seed", "device", "report", "build", "load", "cache"),
        *("reference", "reference_key", "original_key", "traces", "targets", "decisions", "problems"),
        *("folder", "shared", "filling", "patience", "provisional", "notes", "named"),
    }


def test_the_example_is_two_calibration_images() -> None:
    assert context().example.shape == (2, 1, 2, 2)
    assert context().example.flatten().round().tolist() == list(range(8))


def test_a_generator_depends_on_the_seed_and_on_its_purpose_alone() -> None:
    def draw(seed: int, *salt: str) -> int:
        return int(torch.randint(1 << 60, (), generator=context(seed).generator(*salt)))

    draws = [draw(0, "a"), draw(0, "b"), draw(1, "a"), draw(0, "a", "b"), draw(0)]
    assert len(set(draws)) == len(draws)
    torch.rand(3)
    assert draw(0, "a") == draws[0]
    ctx = context()
    ctx.generator("a").manual_seed(99)
    assert int(torch.randint(1 << 60, (), generator=ctx.generator("a"))) == draws[0]


def test_a_note_is_left_once() -> None:
    ctx = context()
    for sentence in ("one", "two", "one"):
        ctx.note(sentence)
    assert ctx.notes == ["one", "two"]
    assert context().notes == []


def test_nobody_reads_by_default() -> None:
    assert context().report is ignore
    assert ignore(Progress(0.5, "half")) is None


# the cache


def test_a_value_is_made_once() -> None:
    cache, made = Cache(), []
    for _ in range(3):
        assert cache.get("key", lambda: made.append(1) or "value") == "value"
    assert made == [1]


def test_none_is_a_value_too() -> None:
    cache, made = Cache(), []
    assert cache.get("key", lambda: made.append(1)) is None
    assert cache.get("key", lambda: made.append(1)) is None
    assert made == [1]


@pytest.mark.parametrize("error", [ValueError, Cancelled, KeyboardInterrupt])
def test_a_failure_keeps_nothing(error: type[BaseException]) -> None:
    def fail() -> NoReturn:
        raise error

    cache = Cache()
    with pytest.raises(error):
        cache.get("key", fail)
    assert cache.get("key", lambda: 3) == 3


def test_what_was_not_used_for_longest_is_dropped() -> None:
    cache, made = Cache(limit=2), []

    def get(key: str) -> None:
        cache.get(key, lambda: made.append(key))

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert made == ["a", "b", "c", "b"]  # c took the place of b, and b then that of c


def test_a_cache_may_be_asked_while_it_makes_something() -> None:
    cache = Cache()
    assert cache.get("outer", lambda: cache.get("inner", lambda: 1) + 1) == 2


def test_threads_may_share_a_cache() -> None:
    cache, problems = Cache(limit=3), []

    def work(offset: int) -> None:
        for number in range(300):
            key = str((number + offset) % 7)
            if cache.get(key, lambda key=key: f"value {key}") != f"value {key}":
                problems.append(key)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_threads_that_ask_for_one_key_make_it_once() -> None:
    cache, made, release = Cache(), [], threading.Event()

    def make() -> int:
        made.append(1)
        release.wait(10)
        return len(made)

    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(cache.get, "slow", make) for _ in range(2)]
        assert pool.submit(cache.get, "other", lambda: 0).result(10) == 0, "another key does not wait"
        release.set()
        assert [future.result(10) for future in found] == [1, 1]


def test_who_waited_for_a_failure_makes_the_value() -> None:
    cache, begun = Cache(), threading.Event()

    def fail() -> NoReturn:
        begun.set()
        raise Cancelled

    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(cache.get, "key", fail)
        begun.wait(10)
        assert pool.submit(cache.get, "key", lambda: 3).result(10) == 3
        with pytest.raises(Cancelled):
            failing.result(10)


# the lent generator


def test_the_global_generator_is_given_back() -> None:
    before = torch.get_rng_state()
    drawn = []

    def fail() -> None:
        with lent_generator(3):
            drawn.append(torch.rand(2))
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_take_turns_with_the_global_generator() -> None:
    before = torch.get_rng_state()

    def draw(seed: int) -> list[torch.Tensor]:
        drawn = []
        with lent_generator(seed):
            for _ in range(20):
                drawn.append(torch.rand(3))
                time.sleep(0.0005)  # lets the others run
        return drawn

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(4)))
    for seed, drawn in enumerate(together):
        assert torch.equal(torch.stack(drawn), torch.stack(draw(seed)))
    assert torch.equal(torch.get_rng_state(), before)


# fingerprints


def test_a_fingerprint_is_of_all_parameters_and_buffers() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    seen = {fingerprint(model)}
    for tensor in model.state_dict().values():
        tensor.flatten()[0] += 1
        seen.add(fingerprint(model))
    assert len(seen) == 1 + len(model.state_dict())


def test_a_fingerprint_tells_names_shapes_and_types_apart() -> None:
    def holding(name: str, tensor: torch.Tensor) -> nn.Module:
        model = nn.Module()
        model.register_buffer(name, tensor)
        return model

    zeros = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(2, dtype=torch.double), torch.zeros(4, dtype=torch.int32)]
    models = [holding("a", zero) for zero in zeros] + [holding("b", zeros[0]), holding("a", torch.zeros(8))]
    models += [holding("a", torch.tensor(0.0)), holding("a", torch.zeros(0)), holding("a", torch.zeros(4).bfloat16())]
    assert len({fingerprint(model) for model in models}) == len(models)


def test_a_fingerprint_does_not_depend_on_the_layout() -> None:
    model = nn.Conv2d(3, 2, 3)
    before = fingerprint(model)
    assert fingerprint(model.to(memory_format=torch.channels_last)) == before
    assert fingerprint(model.train()) == before
