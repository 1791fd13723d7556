"""Netron in a widget: a graph in a frame that needs no port, no proxy, no server route and no network.

Netron (https://github.com/lutzroeder/netron, MIT) is a web page of many files. The kernel packs those that draw ONNX
from the installed package and sends them over the connection that the widget has anyway, once for each page. Netron's
own page must not be shown as it is: it counts visits, asks for consent, and refuses to work half a year after its
release. `netron_frame.js` gives its viewer a host that does none of this.
"""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from workbench.errors import Refused

TESTED = "9.3.3"
"""The version of Netron that the tests run with."""
_HERE = Path(__file__).parent
_MODULES = (
    *("base", "browser", "view", "grapher", "dagre", "worker"),
    *("onnx", "onnx-proto", "onnx-schema", "protobuf", "flatbuffers", "text", "json", "xml", "zip", "tar"),
)
_METADATA = "onnx-metadata.json"
_SCRIPT = re.compile(r"""(\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])\./([\w-]+)\.js\2""")
_BRACKETS = {r"\u3008": r"\u2039", r"\u3009": r"\u203a"}
"""Around shapes: those of Netron are in fonts for Chinese and Japanese alone, these in all."""
_STYLE = """
#logo, #logo-github, #open-file-button, #titlebar, #menu, #menu-button, .progress, #toolbar-navigator, #toolbar-path
  { display: none !important; }
html { background: #fff; }
.welcome, .default, .target { background: transparent; }
.toolbar { flex-direction: column; background: rgba(255, 255, 255, 0.85); border-radius: 6px; bottom: 4px; left: 4px; }
@media (prefers-color-scheme: dark) {
  html { background: #1e1e1e; }
  .toolbar { background: rgba(30, 30, 30, 0.85); }
}
"""


class NetronView(anywidget.AnyWidget):
    """Shows the ONNX file `data`; the nodes of the layer `selected` are marked and in view.

    A node belongs to a layer if it is called as the layer or `layer/...`. Changed data keep the place on the page.
    """

    _esm = _HERE / "netron_view.js"
    data = traitlets.Bytes(b"").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    version = traitlets.Unicode().tag(sync=True)
    nodes = traitlets.Int(0)
    """How many nodes the page has drawn."""

    def __init__(self, title: str, picked: Callable[[str], None]) -> None:
        self._picked = picked
        super().__init__(title=title, version=installed())
        self.on_msg(self._hear)

    def _hear(self, widget: object, content: dict[str, object], buffers: object) -> None:
        if content.get("wanted") == "parts":
            self._deliver()
        if isinstance(layer := content.get("picked"), str):
            self._picked(layer)
        if isinstance(nodes := content.get("shown"), int):
            self.nodes = nodes

    def _deliver(self) -> None:
        try:
            content = packed_parts()
        except Refused as refusal:
            self.send({"refused": str(refusal)})
        else:
            self.send({"parts": True}, [content])


def installed() -> str:
    """Return the version of Netron that is installed, "none" where there is none."""
    try:
        return importlib.metadata.version("netron")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _folder() -> Path:
    """Return where the files of Netron are; its Python code, a server, is not imported."""
    spec = importlib.util.find_spec("netron")
    if spec is None or spec.origin is None:
        raise Refused(f"the graph needs the package netron, which is not installed: pip install netron=={TESTED}")
    return Path(spec.origin).parent


@functools.cache
def packed_parts() -> bytes:
    """Return Netron's page and the files that it needs for ONNX as JSON in gzip. Raises `Refused`."""
    folder = _folder()
    files = {f"{name}.js": _script(_read(folder / f"{name}.js")) for name in _MODULES}
    files["frame.js"] = (_HERE / "netron_frame.js").read_text("utf-8")
    files[_METADATA] = _newest(_read(folder / _METADATA))
    page = _page(_read(folder / "index.html"), _read(folder / "grapher.css"))
    return gzip.compress(json.dumps({"page": page, "files": files}).encode(), 6)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        raise Refused(
            f"netron {installed()} has no file {path.name}, which the graph needs: pip install netron=={TESTED}"
        ) from None


def _script(content: str) -> str:
    """Return a module that imports others by the names of the frame's import map."""
    content = _SCRIPT.sub(r"\1\2netron/\3.js\2", content)
    for wide, plain in _BRACKETS.items():
        content = content.replace(wide, plain)
    return content


def _page(index: str, style: str) -> str:
    """Return Netron's page without its scripts, links and meta data, but for the version, and with its style inside."""
    plain = re.sub(
        r'<script\b[^>]*>.*?</script>|<link\b[^>]*>|<meta (?!charset|name="version")[^>]*>', "", index, flags=re.S
    )
    head, closing, body = plain.partition("</head>")
    if not closing or "</body>" not in body:
        raise Refused(f"the page of netron {installed()} is not as expected: pip install netron=={TESTED}")
    return f"{head}<style>{style}{_STYLE}</style>{closing}{body}"


def _newest(metadata: str) -> str:
    """Return the descriptions of ONNX's own operators, the newest of each, without examples: a tenth of all.

    They pass for the first version, so that files of any version find them.
    """
    found: dict[str, dict[str, object]] = {}
    for operator in json.loads(metadata):
        if operator["module"] == "ai.onnx":
            name = operator["name"]
            found[name] = max(operator, found.get(name, operator), key=lambda entry: entry["version"])
    return json.dumps([{**entry, "version": 1, "examples": []} for entry in found.values()])
