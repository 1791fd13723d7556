"""`workbench search`: what the machine finds out by trying."""

from __future__ import annotations

import click

from workbench.cli.budget import budget
from workbench.cli.nas import nas
from workbench.cli.sensitivity import sensitivity


@click.group()
def search() -> None:
    """Search: what each layer bears, the best recipe within a budget, architectures."""


search.add_command(budget)
search.add_command(sensitivity)
search.add_command(nas)
