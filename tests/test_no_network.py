"""Nothing phones home: every module is imported and every panel is opened, and no attempt leaves this computer.

Python's own sockets are watched by an audit hook. Libraries with threads of their own, onnxruntime among them, are
watched from outside: the process runs in a network namespace whose only way out is a device that counts packets and
leads nowhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_WATCHED = """
import importlib, json, pkgutil, socket, sys, time
attempts = []
def local(address):
    host = address[0] if isinstance(address, tuple) else address
    return isinstance(address, (str, bytes)) or host in ("", "localhost", "::1") or str(host).startswith("127.")
def watch(event, arguments):
    if event == "socket.connect" and arguments[0].family != socket.AF_UNIX and not local(arguments[1]):
        attempts.append([event, repr(arguments[1])])
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost"):
        attempts.append([event, repr(arguments[0])])
    if event == "socket.sendto" and not local(arguments[1]):
        attempts.append([event, repr(arguments[1])])
sys.addaudithook(watch)
"""

_EVERYTHING = """
import workbench, widgets
names = []
for package in (workbench, widgets):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            names.append(module.name)
import onnxruntime, onnx, netron
from widgets.app import Workbench
app = Workbench("digits-mlp")
def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)
import ipywidgets as ipw
end = time.monotonic() + 60
while app.state.busy and time.monotonic() < end:
    time.sleep(0.02)
opened = [panel.opened for panel in walk(app) if isinstance(getattr(panel, "opened", None), ipw.ToggleButton)]
opened = [button for button in opened if not button.value]
for button in opened:
    button.value = True
time.sleep(4)
print(json.dumps({"attempts": attempts, "modules": len(names), "opened": len(opened), "measured": not app.state.busy}))
"""

_DEVICE = """
ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
&& ip link add out type veth peer name sink && ip address add 192.0.2.1/24 dev out \
&& ip link set sink up && ip link set out arp off multicast off up && ip route add default dev out || exit 77
{program}
code=$?
grep out: /proc/net/dev >&2
exit $code
"""


_CLUSTER = """
from workbench.executors.dask import Dask
def listens(event, arguments):
    if event == "socket.bind" and arguments[0].family != socket.AF_UNIX and not str(arguments[1][0]).startswith("127."):
        attempts.append([event, repr(arguments[1])])
if __name__ == "__main__":
    sys.addaudithook(listens)
    with Dask(workers=1).open():
        print(json.dumps(attempts))
"""


def environment(home: Path) -> dict[str, str]:
    """Return an environment whose home is empty, so that whatever is written there is seen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    return kept | {"HOME": str(home), "WORKBENCH_HOME": str(home / "workbench"), "PYTHONPATH": str(ROOT)}


def test_no_module_and_no_panel_leaves_this_computer(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WATCHED + _EVERYTHING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["attempts"] == []
    assert found["modules"] > 150
    assert found["opened"] >= 5
    assert found["measured"]
    assert not list(tmp_path.rglob("*onnx*")), "onnxruntime keeps what its telemetry needs in the home folder"


def test_the_watch_sees_an_attempt(tmp_path: Path) -> None:
    attempt = "try:\n    socket.create_connection(('192.0.2.7', 80), 0.2)\nexcept OSError:\n    pass\nprint(attempts)"
    command = [sys.executable, "-c", _WATCHED + attempt]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(tmp_path))
    assert "192.0.2.7" in done.stdout


@pytest.mark.slow
def test_a_local_cluster_neither_leaves_this_computer_nor_lets_another_in(tmp_path: Path) -> None:
    script = tmp_path / "cluster.py"  # a file: its workers are begun by importing it again
    script.write_text(_WATCHED + _CLUSTER)
    command, variables = [sys.executable, str(script)], environment(tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=variables)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def packets(program: str, home: Path) -> int:
    """Run Python code where all that leaves is counted, and return how many packets did."""
    if not (shutil.which("unshare") and shutil.which("ip") and shutil.which("sysctl")):
        pytest.skip("there are no unshare, ip and sysctl here")
    script = _DEVICE.format(program=f'"{sys.executable}" -c "$PROGRAM"')
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", script]
    variables = environment(home) | {"PROGRAM": program}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=variables, cwd=home)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this system does not lend a network namespace")
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stderr.splitlines()[-1].partition(":")[2].split()[9])  # eight columns of what came in are first


def test_the_namespace_counts_what_leaves(tmp_path: Path) -> None:
    sent = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.7', 9))"
    assert packets("pass", tmp_path) == 0
    assert packets(sent, tmp_path) >= 1


def test_no_library_leaves_this_computer_behind_python(tmp_path: Path) -> None:
    assert packets(_WATCHED + _EVERYTHING, tmp_path) == 0
