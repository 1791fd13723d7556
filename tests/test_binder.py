"""What Binder builds and starts, as far as that can be seen without its builder.

`postBuild` runs as it is, in a fresh environment and a copy of the repository in an empty home folder. Then a server is
begun by `binder/start`, under a prefix as a hub gives one, in namespaces of its own: it has no network, and every file
outside of the home folder is read-only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from importlib.util import find_spec
from pathlib import Path

import pytest

from workbench.cli.serve import EXTENSIONS

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"https://mybinder\.org/v2/gh/([^/)]+/[^/)]+)/HEAD\?urlpath=([^)\s]+)")


def test_the_three_links_name_one_repository_and_notebooks_that_exist() -> None:
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len({repository for repository, _ in links}) == 1
    paths = [urllib.parse.unquote(path) for _, path in links]
    assert [path.partition("/notebooks/")[0] for path in paths] == ["voila/render", "lab/tree", "lab"]
    for path in paths:
        assert path == "lab" or (ROOT / "notebooks" / path.partition("/notebooks/")[2]).is_file(), path


@pytest.mark.skipif(find_spec("repo2docker") is None, reason="repo2docker is not installed: it is in the test group")
def test_repo2docker_reads_the_folder() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout + done.stderr
    assert "Building conda environment for python=3.11" in told
    steps = ['install --no-cache-dir -r "binder/requirements.txt"', "RUN ./binder/postBuild"]
    places = [told.find(each) for each in (*steps, 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"')]
    assert -1 not in places
    assert places == sorted(places)


_VISIT = """
import json, os, socket, subprocess, sys, time, urllib.request
from pathlib import Path

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
base = f"http://127.0.0.1:{port}/user/abc/"
command = ["bash", "binder/start", sys.executable, "-m", "jupyter_server", "--allow-root"]
command += ["--ServerApp.open_browser=False", f"--ServerApp.port={port}"]
command += ["--ServerApp.base_url=/user/abc/", "--IdentityProvider.token=secret"]
log = open(Path.home() / "server.log", "w")
server = subprocess.Popen(command, stdout=log, stderr=log)

def get(path):
    request = urllib.request.Request(base + path, headers={"Authorization": "token secret"})
    with urllib.request.urlopen(request, timeout=240) as answer:
        return answer.read().decode()

def family(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [each for child in children for each in family(int(child))]

def memory(pid):
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    return 1024 * int(words[words.index("Pss:") + 1])

try:
    end = time.monotonic() + 60
    while True:
        try:
            get("api")
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)
    page = get("voila/render/notebooks/dashboards/workbench.ipynb")
    highest, end = 0, time.monotonic() + 12  # the original is measured in these seconds, and positions are prepared
    while time.monotonic() < end:
        parts = [memory(pid) for pid in family(server.pid)]
        highest = max(highest, sum(parts))
        time.sleep(0.3)
    threads = Path(f"/proc/{family(server.pid)[-1]}/environ").read_bytes().split(b"\\0")
    told = {
        "page": page,
        "lab": get("lab"),
        "lesson": "jupyter-config-data" in get("lab/tree/notebooks/lessons/01-why-smaller.ipynb"),
        "processes": len(parts),
        "bytes": highest,
        "one_thread": b"OMP_NUM_THREADS=1" in threads,
    }
    Path(Path.home() / "told.json").write_text(json.dumps(told))
finally:
    server.terminate()
    server.wait(20)
"""
_CONFINED = """
ip link set lo up && mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro / || exit 77
touch "$NB_PYTHON_PREFIX/outside" 2>/dev/null && exit 78
cd "$HOME/repository" && exec python "$HOME/visit.py"
"""


def run(command: list[str | Path], environment: dict[str, str], folder: Path, seconds: float) -> int:
    done = subprocess.run(
        [*map(str, command)], env=environment, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode in (0, 77), done.stdout[-3000:] + done.stderr[-3000:]
    return done.returncode


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which `postBuild` was run: a fresh Python, an empty home, a clone of the repository in it."""
    prefix, home = tmp_path_factory.mktemp("conda"), tmp_path_factory.mktemp("jovyan")
    (home / "tmp").mkdir()
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "LC_", "SSL_"))}
    environment = kept | {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "NB_PYTHON_PREFIX": str(prefix),
        "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}",
    }
    if "PIP_CONFIG_FILE" not in kept and (config := Path.home() / ".config/pip/pip.conf").exists():
        environment["PIP_CONFIG_FILE"] = str(config)
    files = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, files.decode().split("\0")):
        if (ROOT / name).is_file():
            target = home / "repository" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    # the index of the CPU builds may be out of reach here: torch comes as the index at hand has it
    run([sys.executable, "-m", "venv", prefix], environment, home, 60)
    torch = [line for line in (ROOT / "constraints.txt").read_text().split() if re.match(r"torch(vision)?==", line)]
    repository = home / "repository"
    run([prefix / "bin/pip", "install", "-q", "-c", "constraints.txt", *torch], environment, repository, 400)
    run([repository / "binder/postBuild"], environment, repository, 400)
    return environment


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare here")
def test_the_dashboard_opens_from_what_postbuild_made(built: dict[str, str]) -> None:
    home = Path(built["HOME"])
    (home / "visit.py").write_text(_VISIT)
    confined = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", _CONFINED]
    try:
        code = run(confined, built, home, 400)
    finally:
        log = home / "server.log"
        print(log.read_text()[-3000:] if log.exists() else "no log")  # noqa: T201  # shown where the test fails
    if code == 77:
        pytest.skip("this system does not lend a namespace")
    told = json.loads((home / "told.json").read_text())

    page = told["page"]
    assert "application/vnd.jupyter.widget-view+json" in page
    assert "from widgets.app import" not in page, "sources are stripped"
    assert "There was an error" not in page
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert {each["name"] for each in config["federated_extensions"]} == set(EXTENSIONS), "the settings file is used"
    assert '"name": "downsizing-workbench"' in told["lab"], "the launcher has its tiles"
    assert told["lesson"]
    assert told["one_thread"]
    assert told["processes"] == 2, "the server and one kernel"
    assert told["bytes"] < 1e9
