"""Progress on standard error: one line that is written anew on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from workbench.context import Progress

_BAR = 24
_TERMINAL_S, _PLAIN_S = 0.1, 10.0


class ProgressLine:
    """A `Report` for the command line; use it as a context manager, so that the line is gone when work is done."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic() if not self._terminal else 0.0
        self._shown = False

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < (_TERMINAL_S if self._terminal else _PLAIN_S):
            return
        self._last = now
        if not self._terminal:
            click.echo(f"{progress.fraction:4.0%} {progress.message}", err=True)
            return
        done = round(_BAR * progress.fraction)
        line = f"{'█' * done}{'░' * (_BAR - done)} {progress.fraction:4.0%} {progress.message}"
        click.echo(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", err=True, nl=False)
        self._shown = True

    def clear(self) -> None:
        """Take the line away, so that something else can be printed; the next news brings it back."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear()
