"""Files from a browser: parts in their order, sizes that are checked again, and weights that are tried first."""

from __future__ import annotations

import copy
import io
import time
import zipfile

import pytest
import torch
from safetensors.torch import save

from widgets.app import Workbench
from widgets.bridge import bringing
from widgets.upload import UploadButton
from workbench.result import ModelRef
from workbench.run import prepare
from workbench.store import Store


class Sent(list):
    def __call__(self, content, buffers=None):
        self.append(content)


@pytest.fixture
def button():
    arrived = []
    made = UploadButton("Send", lambda name, content: arrived.append((name, content)), 10)
    made.arrived, made.send = arrived, Sent()
    return made


def send(button, content, *parts, name="a.txt"):
    for number, part in enumerate(parts):
        button._handle_custom_msg({"name": name, "part": number, "of": len(parts), **content}, [part])
    return button.send[-1]


def test_parts_are_joined_in_their_order(button):
    assert send(button, {}, b"1234", b"5678", b"9") == {"said": "Reading a.txt …"}
    assert button.send[:2] == [{"next": 1}, {"next": 2}]
    assert button.arrived == [("a.txt", b"123456789")]
    button.say("It is one.")
    assert button.send[-1] == {"said": "It is one."}


def test_more_than_was_allowed_is_dropped_whatever_the_page_says_of_its_size(button):
    assert send(button, {"size": 1}, b"12345", b"678901") == {"said": "The file is larger than 10 B: nothing was kept."}
    assert button.arrived == []


@pytest.mark.parametrize(
    "message",
    [None, 7, {}, {"part": "0", "of": 1}, {"part": 1, "of": 2}, {"part": -1, "of": 1}, {"part": 0, "of": 0}],
)
def test_nonsense_is_answered_in_a_sentence(button, message):
    button._handle_custom_msg(message, [b"1"])
    assert button.send == [{"said": "The file did not arrive whole: try again."}]
    button.send.clear()
    button._handle_custom_msg({"part": 0, "of": 1}, [])
    assert button.send == [{"said": "The file did not arrive whole: try again."}]
    assert button.arrived == []


# weights for the network on the page


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    with Store(tmp_path / "results.sqlite3") as store:
        yield Workbench("digits-mlp", store=store)


def state_dict(app):
    return {name: 0.9 * value for name, value in prepare(app.state.job).model.state_dict().items()}


def bring(app, title, content):
    """Return what is said in the end."""
    said = []
    app.engine.bringing.bring(title, content, said.append)
    end = time.monotonic() + 60
    while not said:
        assert time.monotonic() < end
        time.sleep(0.01)
    return said[0]


def kept(tmp_path):
    return list((tmp_path / "brought").glob("*"))


def as_torch_file(state):
    out = io.BytesIO()
    torch.save({"state_dict": state}, out)
    return out.getvalue()


@pytest.mark.parametrize("pack", [save, as_torch_file])
def test_weights_of_ones_own_are_on_the_page_and_can_be_left_again(app, tmp_path, pack):
    content = pack(state_dict(app))
    assert bring(app, "mine.safetensors", content) == (
        f"mine.safetensors: {len(content):,} bytes, weights of digits-mlp."
    )
    (file,) = kept(tmp_path)
    assert app.state.model == ModelRef(name="digits-mlp", checkpoint=str(file))
    assert app.model.shipped.layout.display is None
    app.model.shipped.click()
    assert app.state.model == ModelRef(name="digits-mlp")
    assert app.model.shipped.layout.display == "none"
    assert app.engine.bringing.models == (ModelRef(name="digits-mlp", checkpoint=str(file)),)


def test_who_has_chosen_another_network_meanwhile_keeps_it(app, monkeypatch):
    def slow(job, **options):
        app.state.put(model=ModelRef(name="digits-cnn"))
        return prepare(job, **options)

    content = save(state_dict(app))
    monkeypatch.setattr(bringing, "prepare", slow)
    said = bring(app, "mine.pt", content)
    assert said == "another network or data set was chosen while mine.pt was read; nothing changed."
    assert app.state.model == ModelRef(name="digits-cnn")


def squeezed():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    return out.getvalue()


def named_twice():
    """A torch file whose directory names the bytes of one member ten times."""
    out = io.BytesIO(as_torch_file({"weight": torch.zeros(5000)}))
    with zipfile.ZipFile(out, "a") as archive:
        large = max(archive.infolist(), key=lambda item: item.file_size)
        for number in range(9):
            again = copy.copy(large)
            again.filename = f"archive/data/{number + 100}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    return out.getvalue()


def other_network():
    return save({"layer.weight": torch.zeros(3, 3)})


def whole_network():
    out = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a letter to the editor", "no checkpoint"),
        (b"", "no checkpoint"),
        (squeezed(), "a compressed archive, and no checkpoint has one"),
        (named_twice(), "a compressed archive, and no checkpoint has one"),
        (other_network(), "does not fit this network: it lacks fc1.weight"),
        (whole_network(), "which could run code, so it was not loaded"),
        (as_torch_file({"fc1.weight": torch.zeros(2, dtype=torch.complex64)}), "fc1.weight as complex64"),
        (as_torch_file({"fc1.weight": torch.zeros(2).to(torch.float8_e4m3fn)}), "fc1.weight as float8_e4m3fn"),
        (as_torch_file({"fc1.weight": torch.eye(2).to_sparse()}), "fc1.weight as float32, not dense"),
    ],
    ids=["text", "nothing", "zip", "zip of one", "another", "pickled", "complex", "float8", "sparse"],
)
def test_what_is_no_model_is_refused_and_nothing_changes(app, tmp_path, content, words):
    said = bring(app, "<b>visit.pt", content)
    assert words in said
    assert said.endswith("; nothing changed.")
    assert said.startswith("<b>visit.pt")
    assert str(tmp_path) not in said
    assert "/tmp" not in said, "a visitor need not know where files lie"
    assert app.state.model == ModelRef(name="digits-mlp")
    assert kept(tmp_path) == []
