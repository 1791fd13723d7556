"""No instructions for int8: without them integers are no faster than floats, often slower."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.activations import activation_formats
from workbench.diagnosing import Case, Finding, Reason
from workbench.registry import reasons


@final
class Instructions(Reason):
    """A processor without int8 dot products (VNNI or AMX on x86, dot product or i8mm on Arm) under a quantized net."""

    name = "instructions"
    title = "No int8 instructions"
    summary = "Processors without VNNI, AMX or Arm's dot product unpack int8 to wider numbers first."

    def look(self, case: Case) -> Iterator[Finding]:
        if case.machine.integer is not False or not activation_formats(case.now):
            return
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                "this processor has no instructions for products of int8 (VNNI or AMX, dot product or i8mm on Arm): "
                "int8 is unpacked to wider numbers first, which costs what it gains"
            ),
            advice="measure on the processor that will run it; here int8 saves bytes and not time",
            ms=None,
        )


reasons.register(Instructions())
