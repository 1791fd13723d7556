"""A file that is hardly smaller: what its bytes are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason
from workbench.registry import reasons

_SMALLER = 0.75
_ADVICE = {
    "weights": "give the weights fewer bits, or prune more of them: zeros pay once positions cost less than values",
    "indices": "prune by channels or N:M, whose positions cost nothing or little",
    "scales": "use one scale for a whole tensor",
    "norms": "quantize biases and norms as well, or fold the batch norms by exporting",
    "biases": "quantize biases and norms as well",
}


@final
class FileSize(Reason):
    """The packed file is nearly as big as that of the original."""

    name = "file_size"
    title = "The file is hardly smaller"
    summary = "Zeros, scales and positions all take bytes; the ledger says which."

    def look(self, case: Case) -> Iterator[Finding]:
        now, base = sum(case.now_bytes.values()), sum(case.base_bytes.values())
        if now < _SMALLER * base:
            return
        head, most = max(case.now_bytes.items(), key=lambda item: item[1])
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=f"the file takes {now:,} bytes, the original's {base:,}; {most:,} of them are {head}",
            advice=_ADVICE.get(head, "the network is so small that the rest of the file outweighs it"),
            ms=None,
        )


reasons.register(FileSize())
