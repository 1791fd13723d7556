"""What a page offers: a row of the store, or a link, may be about a model or data that visitors are not to open."""

from __future__ import annotations

from dataclasses import dataclass

from workbench import registry
from workbench.errors import Refused
from workbench.result import DataRef, Job, ModelRef


@dataclass(frozen=True, kw_only=True)
class Offered:
    """References that whoever made the page gave, besides the models and data that the workbench has by name."""

    models: tuple[ModelRef, ...] = ()
    data: tuple[DataRef, ...] = ()

    def job(self, job: Job) -> Job:
        """Return a job about what the page offers; raises `Refused` where it does not."""
        return Job(model=self._model(job.model), data=self._data(job.data), recipe=job.recipe, seed=job.seed)

    def _model(self, ref: ModelRef) -> ModelRef:
        if ref in self.models or (ref == ModelRef(name=ref.name) and _known(ref.name)):
            return ref
        weights = " with weights of somebody's own" if ref.checkpoint else ""  # not where they lie: strangers read this
        raise Refused(
            f"it is about the model {ref.name}{weights}, which this page does not offer: name it in a notebook"
        )

    def _data(self, ref: DataRef) -> DataRef:
        for ours in self.data:
            if ours.name == ref.name:
                return ours  # wherever the files lie
        if ref.name in registry.data.names():
            return DataRef(name=ref.name)
        raise Refused(f"it is about the data set {ref.name}, which this page does not offer: name it in a notebook")


def _known(name: str) -> bool:
    """Return whether a name alone says what is meant, and needs no code from a file."""
    if name.startswith("user:"):
        return False
    try:
        registry.models.get(name)
    except Refused:
        return False
    return True
