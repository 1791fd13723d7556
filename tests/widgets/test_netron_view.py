"""What is sent to the page: Netron from the installed package, and nothing that could call home on its own."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from widgets import netron_view
from widgets.netron_view import NetronView, packed_parts
from workbench.errors import Refused


@pytest.fixture(scope="module")
def parts():
    return json.loads(gzip.decompress(packed_parts()))


@pytest.fixture
def anew():
    """Packing is kept for the life of a process: forget it around a test."""
    packed_parts.cache_clear()
    yield
    packed_parts.cache_clear()


def test_the_page_loads_nothing(parts):
    page = parts["page"]
    assert not re.search(r"<script|<link\b|http-equiv|\bsrc=", page)
    assert re.findall(r'<meta name="(\w+)"', page) == ["version"]
    assert 'id="target"' in page
    assert page.count("</head>") == page.count("</body>") == 1  # where the page puts its scripts


def test_modules_find_each_other(parts):
    wanted = set()
    for content in parts["files"].values():
        wanted |= set(re.findall(r"""(?:\bfrom|\bimport)\s*\(?\s*['"]netron/([\w-]+\.js)['"]""", content))
        assert not re.search(r"""(?:\bfrom|\bimport)\s*\(?\s*['"]\./""", content)
    assert {"base.js", "view.js", "browser.js", "grapher.js", "dagre.js"} <= wanted
    # these read formats that are not ONNX, or write a tensor that is not here
    assert wanted - {*parts["files"]} <= {"python.js", "hdf5.js"}


def test_operators_are_described_once_and_for_any_version(parts):
    described = json.loads(parts["files"]["onnx-metadata.json"])
    names = [operator["name"] for operator in described]
    assert len(names) == len({*names}) > 150
    conv = next(operator for operator in described if operator["name"] == "Conv")
    assert (conv["version"], conv["category"], conv["module"]) == (1, "Layer", "ai.onnx")


def test_it_is_small():
    assert len(packed_parts()) < 400_000


def test_the_page_asks_once_and_picks():
    picked = []
    view = NetronView("a graph", picked.append)
    sent = []
    view.send = lambda content, buffers=None: sent.append((content, buffers))
    view._hear(view, {"wanted": "parts"}, [])
    assert sent == [({"parts": True}, [packed_parts()])]
    view._hear(view, {"picked": "conv1"}, [])
    view._hear(view, {"picked": 3}, [])
    view._hear(view, {"shown": 13}, [])
    assert (picked, view.nodes) == (["conv1"], 13)


@pytest.mark.parametrize("missing", ["view.js", "onnx-metadata.json", "index.html"])
def test_another_netron_without_a_file_is_refused(anew, monkeypatch, missing):
    whole = netron_view._read

    def read(path):
        return whole(path.with_name(f"no-{missing}") if path.name == missing else path)

    monkeypatch.setattr(netron_view, "_read", read)
    with pytest.raises(Refused, match=f"has no file no-{missing}.*pip install netron==9"):
        packed_parts()


def test_no_netron_is_refused_and_the_page_is_told(anew, monkeypatch):
    monkeypatch.setattr(netron_view.importlib.util, "find_spec", lambda name: None)
    view = NetronView("a graph", print)
    sent = []
    view.send = lambda content, buffers=None: sent.append(content)
    view._hear(view, {"wanted": "parts"}, [])
    assert "needs the package netron" in sent[0]["refused"]
