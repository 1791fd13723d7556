"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum

import click


class Exit(IntEnum):
    """The exit codes; they are part of the interface."""

    OK = 0
    USAGE = 2
    REFUSED = 3
    INFEASIBLE = 4
    INTERRUPTED = 130


HELP = (
    "Exit codes: 0 done; 2 the command line cannot be read; 3 refused, with one sentence on standard error; "
    "4 infeasible: no network is as small as was asked for; 130 interrupted."
)


def complain(sentence: str) -> None:
    """Say on standard error why there is no result."""
    click.echo(f"workbench: {sentence}", err=True)
