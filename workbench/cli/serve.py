"""`workbench`, `workbench serve` and `workbench lab`: pages through Voila, the notebooks through JupyterLab."""

from __future__ import annotations

import errno
import functools
import json
import os
import secrets
import shutil
import socket
import sys
import threading
import time
import urllib.parse
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench import resources
from workbench.cli import _layout, _list
from workbench.errors import Refused
from workbench.resources import PROCESSORS

if TYPE_CHECKING:
    from traitlets.config import Config

_PORT = 8866
_TRIES = 50
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget")
"""All that the page needs. Without the second, Voila shows a page without widgets and says nothing."""
_MESSAGE_BYTES = 100 * 2**20
"""Largest message of the page; Voila's own 10 MB limit drops larger uploads without a word."""
_START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens, and whether a browser is sent there."""

    ip: str
    port: int
    browser: bool
    token: str

    @property
    def url(self) -> str:
        """The address to open; it carries the token."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # listened on, but nowhere to go to
        host = everywhere.get(self.ip, self.ip)
        host = f"[{host}]" if ":" in host else host
        query = f"?{urllib.parse.urlencode({'token': self.token})}" if self.token else ""
        return f"http://{host}:{self.port}/{query}"


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command so that it takes an `address` from its options."""

    @click.option("--ip", default="127.0.0.1", show_default=True, help="Address to listen on.")
    @click.option("--port", default=_PORT, show_default=True, type=click.IntRange(1, 65535), help="Or the next free.")
    @click.option("--no-browser", is_flag=True, help="Only print the address.")
    @click.option("--token", help="Password in the address; a random one by default, an empty one asks for none.")
    @functools.wraps(command)
    def wrapped(*args: Any, ip: str, port: int, no_browser: bool, token: str | None, **others: Any) -> Any:
        secret = secrets.token_urlsafe(24) if token is None else token
        return command(*args, address=Address(ip=ip, port=port, browser=not no_browser, token=secret), **others)

    return wrapped


def serve_dashboard(address: Address) -> None:
    """Serve the dashboard until it is interrupted."""
    _serve(resources.dashboard(), address, "The dashboard")


@click.command()
@click.argument("notebook")
@address_options
def serve(notebook: str, address: Address) -> None:
    """Serve NOTEBOOK as a page: a notebook file, one of the shipped dashboards by its name, or `lessons` for a class.

    A folder serves all notebooks in and below it, with a list in front. Visitors need the token. They see no code and
    no tracebacks, and reach no other file. The notebook runs with your rights, once for each visitor: serve only what
    you trust.
    """
    path = _named(notebook)
    _serve(path, address, path.stem)


def _serve(notebook: Path, address: Address, title: str) -> None:
    """Serve a notebook, or those of a folder, until it is interrupted."""
    from voila.app import Voila

    _use_this_python_()
    address = _free(address)
    _leave_a_core()
    click.echo(f"{title} is at {address.url}  (Ctrl-C stops it)")
    if address.browser:
        threading.Thread(target=_open_when_ready, args=(address,), daemon=True).start()
    # in this process, so that the token is in no list of processes
    Voila.launch_instance([str(notebook), *_arguments(address)], config=_settings(notebook))


def _named(notebook: str) -> Path:
    """Return the notebook file or the folder of notebooks under a path or a shipped name; raises `Refused`.

    Where there are both, the name counts: `./workbench` is the file.
    """
    shipped = {path.stem: path for path in sorted(resources.dashboard().parent.glob("*.ipynb"))}
    shipped["lessons"] = resources.notebooks() / "lessons"
    if notebook in shipped:
        return shipped[notebook]
    path = Path(notebook).expanduser()
    known = f"expected a notebook file, a folder of notebooks, or one of {', '.join(shipped)}"
    if "://" in notebook:
        raise Refused(f"{notebook!r} is an address: {known} on this computer")
    if not path.exists():
        raise Refused(f"there is no notebook {notebook!r}: {known}")
    if path.is_dir():
        if not any(path.glob("*.ipynb")):
            raise Refused(f"there is no notebook in the folder {notebook!r}: {known}")
    elif not path.is_file():
        raise Refused(f"{notebook!r} is no file: {known}")
    elif path.suffix != ".ipynb" or not _is_notebook(path):
        raise Refused(f"{notebook!r} is not a notebook: {known}")
    return path.resolve()


def _is_notebook(path: Path) -> bool:
    """Whether a file is a notebook of the present format. Raises `Refused` where it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise Refused(f"the notebook {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("nbformat") == 4 and isinstance(content.get("cells"), list)


def _use_this_python_() -> None:
    """Let notebooks run in this environment, even where another one has left its kernel in the person's settings."""
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")


def _arguments(address: Address) -> list[str]:
    """Return what was asked for: it counts more than a settings file of the person's."""
    chosen = {
        "Voila.ip": address.ip,
        "Voila.port": address.port,
        "Voila.port_retries": 0,
        "Voila.token": address.token,
        "Voila.open_browser": False,  # Voila would open the page without its token
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


_BREATH = 3
"""Seconds before the next kernel is started: the page that has just opened needs the processors first."""

_OUTPUT_S = 120
"""Seconds to wait for what a cell shows once it has run: a busy server reads the many messages of its widgets late, and
with nbclient's own 4 seconds sends a page on which nothing ever appears."""


def _settings(notebook: Path) -> Config:
    """Return settings for strangers: nothing but the pages, no sources, and no kernels that pile up.

    Of a folder no kernel is started before somebody asks: Voila would start one for every notebook.
    """
    from traitlets.config import Config

    tornado: dict[str, Any] = {"websocket_max_message_size": _MESSAGE_BYTES}
    if notebook.is_dir():
        tornado["voila_jinja2_env"] = _list.templates(notebook)
    return Config(
        Voila={
            "log_level": "ERROR",
            "tornado_settings": tornado,
        },
        VoilaConfiguration={
            "extension_allowlist": list(EXTENSIONS),
            "strip_sources": True,
            "show_tracebacks": False,
            "classic_tree": True,  # the list as a page of its own, not one of JupyterLab's
            "preheat_kernel": notebook.is_file(),
            "default_pool_size": 1,
        },
        VoilaKernelManager={"fill_delay": _BREATH},
        NotebookClient={"iopub_timeout": _OUTPUT_S},
        # A page ends its kernel as it closes; where it cannot, as in a crash, the kernel is culled. Sooner would cull
        # kernels that a page has been given and has not reached yet.
        MappingKernelManager={"cull_idle_timeout": 900, "cull_interval": 300},
    )


def _leave_a_core() -> None:
    """Let kernels compute on all cores but one, unless the person said otherwise: the page and the server need it.

    OpenMP threads wait for each other in a busy loop: where something else takes a core, the others burn theirs, and a
    measurement takes ten times as long. So they are told to sleep instead, too.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, PROCESSORS - 1)))


def _free(address: Address) -> Address:
    """Return the address with the first port from its own on that nobody listens on."""
    for port in range(address.port, min(address.port + _TRIES, 65536)):
        family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if sys.platform != "win32":  # there the option would share a port that is taken
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address.ip, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise Refused(
                    f"{address.ip!r} is no address of this computer ({error.strerror}): name another with --ip"
                ) from None
            reason = error.strerror
        else:
            return Address(ip=address.ip, port=port, browser=address.browser, token=address.token)
    raise Refused(f"no port from {address.port} on can be used on {address.ip} ({reason}): name another with --port")


def _open_when_ready(address: Address) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address.ip, address.port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            webbrowser.open(address.url)
            return


@click.command()
@click.option("--port", default=8888, show_default=True, type=click.IntRange(1, 65535), help="Or the next free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the notebooks instead of the usual one.")
def lab(port: int, no_browser: bool, folder: Path | None) -> None:
    """Open the notebooks in JupyterLab, on this machine only.

    From an installed package the notebooks are first copied to a folder of your own; a file that is there already is
    left as it is.
    """
    from jupyterlab.labapp import LabApp

    _use_this_python_()
    folder = _notebooks(folder)
    _leave_a_core()
    click.echo(f"The notebooks are in {folder}")
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": str(port),
        "ServerApp.open_browser": str(not no_browser),
        "ServerApp.root_dir": str(folder),
        "LabApp.news_url": "None",
        "ServerApp.allow_root": "True",  # as in containers; it listens on this machine only
    }
    tiles, layouts = _layout.extensions(), _layout.workspaces(folder)
    if tiles is not None:
        settings["LabApp.extra_labextensions_path"] = str(tiles)
    if layouts is not None:
        settings |= {
            "LabApp.workspaces_dir": str(layouts),
            "LabApp.default_url": f"/lab/workspaces/{_layout.WORKSPACE}",
        }
    LabApp.launch_instance([f"--{name}={value}" for name, value in settings.items()])


def _notebooks(folder: Path | None) -> Path:
    """Return the folder to open: the checkout's own, or a person's, with the notebooks that were missing there."""
    shipped = resources.notebooks()
    if folder is None:
        if shipped.parent.name != "_share":
            return shipped
        folder = resources.cache_home() / "notebooks"
    try:
        for source in sorted(shipped.rglob("*.ipynb")):
            target = folder / source.relative_to(shipped)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    except OSError as error:
        raise Refused(f"the notebooks cannot be copied to {folder}: {error.strerror}") from None
    return folder
