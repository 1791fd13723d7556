"""Deep Compression on MNIST: the shipped recipes on both LeNets, trained here, three seeds each, on one core.

The paper has 1.64 to 1.58 % error and 40 times (27 KB) for LeNet-300-100, 0.80 to 0.74 % and 39 times (44 KB) for
LeNet-5 (Han et al. 2016, https://arxiv.org/abs/1510.00149). Its networks were trained otherwise: compare what is lost
and how much smaller it is, not the errors themselves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from _jobs import SHARED

from workbench.cli.shipped import find
from workbench.models import _train
from workbench.result import DataRef, Job, ModelRef, Result
from workbench.run import run

SEEDS = (0, 1, 2)


def final(job: Job) -> Result:
    *_, row = run(job)
    if row.message:
        raise RuntimeError(row.message)
    return row


def error(row: Result) -> float:
    """Test error in percent."""
    return 100 * (1 - row.estimates["accuracy"].value)


def account(row: Result, name: str) -> str:
    found = row.details["size_bytes"][name]
    return f"{found['bytes']:,} bytes, {found['ratio']:.1f} times"


def seeds(name: str, data: DataRef, folder: Path) -> Iterator[tuple[str, str]]:
    lost, ratios = [], []
    for seed in SEEDS:
        checkpoint = folder / f"{name}-{seed}.safetensors"
        _train.save(_train.train(name, data, seed), checkpoint, name=name, data_name=data.name, seed=seed)
        model = ModelRef(name=name, checkpoint=str(checkpoint))
        before = final(Job(model=model, data=data, seed=seed))
        start = time.process_time()
        after = final(Job(model=model, data=data, recipe=find("deep-compression", name), seed=seed))
        took = time.process_time() - start
        lost.append(error(after) - error(before))
        ratios.append(after.details["size_bytes"]["everything"]["ratio"])
        yield (
            f"{name}, seed {seed}",
            f"error {error(before):.2f} % → {error(after):.2f} %; the file {account(after, 'everything')}; "
            f"weights, biases and what reads them {account(after, 'parameters')}; {took:.0f} s",
        )
    mean = sum(lost) / len(lost)
    yield f"{name}, {len(SEEDS)} seeds", f"{mean:+.2f} points of error in the mean; {min(ratios):.1f} times at least"


def measure() -> Iterator[tuple[str, str]]:
    if not (SHARED / "MNIST").is_dir():
        yield "Deep Compression on MNIST", f"not measured: there are no data in {SHARED}"
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("lenet-300-100", "lenet5"):
                yield from seeds(name, DataRef(name="mnist", root=str(SHARED)), Path(folder))
    finally:
        torch.set_num_threads(threads)
