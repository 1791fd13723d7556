"""The end of a search: a network of a space trained fully, kept like any other, and measured on the test images."""

from __future__ import annotations

from workbench.context import Report, ignore
from workbench.models import _train
from workbench.result import DataRef, Job, ModelRef, Result
from workbench.run import run


def finished(name: str, data_ref: DataRef, seed: int = 0, *, report: Report = ignore) -> Result:
    """Train a network by name where it has no weights for these data yet, and return its final row.

    The weights go where `workbench train` keeps them: from then on it is a model like any other. Raises `Refused`; the
    report may raise `Cancelled`, which leaves no weights.
    """
    path = _train.default_path(name, data_ref.name)
    if not path.is_file():
        network = _train.train(name, data_ref, seed, report=report)
        _train.save(network, path, name=name, data_name=data_ref.name, seed=seed)
    *_, row = run(Job(model=ModelRef(name=name), data=data_ref, seed=seed), report=report)
    return row
