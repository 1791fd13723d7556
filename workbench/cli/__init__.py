"""The command line: thin commands around `run`, each importing what it needs only when it is called.

So `workbench --help` needs neither torch nor Jupyter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import workbench
from workbench.cli.auto import auto
from workbench.cli.calibrate import calibrate
from workbench.cli.classroom import classroom
from workbench.cli.devices import devices
from workbench.cli.doctor import doctor
from workbench.cli.exits import HELP, Exit, complain
from workbench.cli.export import export
from workbench.cli.history import history
from workbench.cli.listing import listing
from workbench.cli.run import run
from workbench.cli.search import search
from workbench.cli.serve import Address, address_options, lab, serve, serve_dashboard
from workbench.cli.sweep import sweep
from workbench.cli.train import train
from workbench.errors import Cancelled, Refused


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=HELP,
)
@click.version_option(workbench.__version__, prog_name="workbench")
@address_options
@click.pass_context
def commands(ctx: click.Context, address: Address) -> None:
    """Make a neural network smaller and see, measured, what it costs.

    Without a command: serve the dashboard and open it in the browser.
    """
    if ctx.invoked_subcommand is None:
        serve_dashboard(address)


commands.add_command(serve)
commands.add_command(lab)
commands.add_command(listing)
commands.add_command(run)
commands.add_command(train)
commands.add_command(export)
commands.add_command(doctor)
commands.add_command(devices)
commands.add_command(calibrate)
commands.add_command(search)
commands.add_command(auto)
commands.add_command(sweep)
commands.add_command(history)
commands.add_command(classroom)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: an expected failure is one sentence on standard error, never a traceback."""
    try:
        # standalone_mode=False: click's own handling would turn an interrupt into exit code 1
        code = commands.main(arguments, prog_name="workbench", standalone_mode=False) or Exit.OK
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Refused as refusal:
        complain(str(refusal))
        code = Exit.REFUSED
    except (click.Abort, KeyboardInterrupt, Cancelled):
        complain("interrupted")
        code = Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone: that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.OK
    sys.exit(code)
