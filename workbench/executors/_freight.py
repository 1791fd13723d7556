"""What is sent with a job to another machine: weights, once for each content, and where its own data lie there."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save as to_safetensors
from torch import nn

from workbench.executing import Parcel, engine
from workbench.executors import _abroad
from workbench.result import DataRef
from workbench.run import prepare

if TYPE_CHECKING:
    from distributed import Client, Future


class Freight:
    """Submits parcels to a cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sweep = uuid.uuid4().hex[:12]
        self._weights: dict[str, tuple[str, Any]] = {}
        self._number = 0

    def submit(self, parcel: Parcel) -> Future[Any]:
        """Return the future of a job, with the weights that it needs sent before it."""
        job = parcel.job
        sha256, weights = self._sent(parcel)
        there = replace(
            job,
            model=replace(job.model, checkpoint=""),
            data=_absolute(job.data),
            test_data=job.test_data and _absolute(job.test_data),
        )
        self._number += 1
        name = f"workbench-{self._sweep}-{self._number}"  # not the key of the job: a second try is another task
        return self._client.submit(
            _abroad.work, weights, sha256, there.to_dict(), parcel.key, parcel.digests, engine(), key=name
        )

    def _sent(self, parcel: Parcel) -> tuple[str, Any]:
        fingerprint = parcel.digests[0]
        if fingerprint not in self._weights:
            content = weights_of(prepare(parcel.job).model)
            sha256 = hashlib.sha256(content).hexdigest()
            task = self._client.submit(_abroad.delivered, content, key=f"workbench-{self._sweep}-{sha256}")
            self._weights[fingerprint] = sha256, task
        return self._weights[fingerprint]


def weights_of(model: nn.Module) -> bytes:
    """Return the weights of a network as safetensors."""
    # cloned: safetensors refuses tensors that share their memory
    return to_safetensors(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    )


def _absolute(ref: DataRef) -> DataRef:
    """Return where data lie whatever folder a worker was started in; `~` is everybody's own."""

    def path(text: str) -> str:
        return text if not text or text.startswith("~") else str(Path(text).absolute())

    folder = ref.name.startswith("folder:")
    name = f"folder:{path(ref.name.removeprefix('folder:'))}" if folder else ref.name
    return DataRef(name=name, root=path(ref.root))
