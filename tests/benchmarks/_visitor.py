"""A visitor without a browser: it speaks to a served page as ipywidgets' JavaScript does, and draws nothing.

Real visitors have their browsers on machines of their own; many of them on the machine that is measured would take the
processor from the kernels. What a visitor cannot see is the time that a page takes to draw.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

CONFIG = re.compile(r'<script[^>]*id="jupyter-config-data"[^>]*>(.*?)</script>', re.DOTALL)
NUMBER = re.compile(r'data-estimate="[^"]*" data-value="[^"]*"|dsw-provisional')
CONTROL, WIDGET = "jupyter.widget.control", "jupyter.widget"
PROTOCOL = {"version": "1.0.0"}


class Visitor:
    """One page. `widgets` holds the state of each widget by its comm's id, as the kernel says it."""

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._token = urllib.parse.parse_qs(self._url.query)["token"][0]
        self._session = uuid.uuid4().hex
        self.widgets: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.errors: list[str] = []
        self._kernel = ""
        self._done: set[str] = set()
        self._heard: list[str] | None = None
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Load the page, and learn the state of its widgets."""
        answer = await self._ask("GET", self._url.geturl(), request_timeout=240)
        self._kernel = json.loads(CONFIG.search(answer.body.decode())[1])["kernelId"]
        query = urllib.parse.urlencode({"session_id": self._session, "token": self._token})
        address = f"ws://{self._url.netloc}/api/kernels/{self._kernel}/channels?{query}"
        self._socket = await websocket_connect(address, max_message_size=2**30)
        self._reading = asyncio.create_task(self._read())
        control = uuid.uuid4().hex
        opening = self._send("comm_open", {"comm_id": control, "target_name": CONTROL, "data": {}}, metadata=PROTOCOL)
        await self.until(lambda: opening in self._done)
        self._send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
        await self.until(lambda: bool(self.widgets))
        (page,) = (key for key, state in self.widgets.items() if "dark" in state and "_esm" in state)
        self._send("comm_msg", {"comm_id": page, "data": {"method": "custom", "content": {"shown": True, "hash": ""}}})

    async def close(self) -> None:
        """Leave as the page does when it is closed."""
        await self._ask(
            "POST",
            f"http://{self._url.netloc}/voila/api/shutdown/{self._kernel}",
            headers={"Authorization": f"token {self._token}"},
            body="",
        )
        self._reading.cancel()
        self._socket.close()

    def tick(self, technique: str) -> None:
        """Switch a technique on."""
        self._put(self._tick(technique), value=True)

    def slider(self, technique: str, description: str) -> str | None:
        """Return the comm of a slider of a technique, or None while it has none."""
        box = next(k for k, state in self.widgets.items() if f"IPY_MODEL_{self._tick(technique)}" in _children(state))
        below = [key for key in self._below(box) if self.widgets[key].get("description") == description]
        return below[0] if below else None

    def press(self, slider: str, steps: int) -> None:
        """Move a slider by so many of its steps, within its ends."""
        state = self.widgets[slider]
        value = min(state["max"], max(state["min"], state["value"] + steps * state["step"]))
        self._heard = None
        self._put(slider, value=value)

    def _tick(self, technique: str) -> str:
        kind = {"_model_name": "CheckboxModel", "description": technique}
        return next(k for k, state in self.widgets.items() if kind.items() <= state.items())

    def _put(self, comm: str, **state: Any) -> None:
        self.widgets[comm].update(state)
        self._send("comm_msg", {"comm_id": comm, "data": {"method": "update", "state": state, "buffer_paths": []}})

    @property
    def numbers(self) -> list[str]:
        """The numbers of the present choices, and whether they are provisional, as they stand in the page's text."""
        texts = (state.get("value") for state in self.widgets.values())
        return [each for text in texts if isinstance(text, str) for each in NUMBER.findall(text)]

    @property
    def answered(self) -> bool:
        """Whether the numbers are others than when the kernel heard of the last move: none of an older one counts."""
        return self._heard is not None and self.numbers != self._heard

    @property
    def refusals(self) -> list[str]:
        """The sentences in which the page refuses something."""
        texts = (state.get("value") for state in self.widgets.values())
        return [text for text in texts if isinstance(text, str) and 'class="dsw-error"' in text]

    async def until(self, condition: Callable[[], bool], seconds: float = 240) -> float:
        """Wait for news until a condition holds; return how long it took, in seconds. Raises `TimeoutError`."""
        begin = time.perf_counter()
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()
        return time.perf_counter() - begin

    async def _ask(self, method: str, url: str, **options: Any) -> Any:
        return await AsyncHTTPClient().fetch(HTTPRequest(url, method=method, **options))

    def _below(self, comm: str) -> set[str]:
        found = {comm}
        for child in _children(self.widgets[comm]):
            found |= self._below(child.removeprefix("IPY_MODEL_"))
        return found & self.widgets.keys()

    def _send(self, kind: str, content: dict[str, Any], metadata: dict[str, Any] | None = None) -> str:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._session, "username": "visitor"}
        header |= {"version": "5.3", "date": ""}
        message = {"header": header, "parent_header": {}, "metadata": metadata or {}, "content": content}
        self._socket.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        return header["msg_id"]

    async def _read(self) -> None:
        while (raw := await self._socket.read_message()) is not None:
            message = json.loads(raw) if isinstance(raw, str) else _unframed(raw)
            self.messages += 1
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "comm_open" and content["target_name"] == WIDGET:
                self.widgets[content["comm_id"]] = dict(content["data"]["state"])
            elif kind == "comm_msg":
                self._follow(content["comm_id"], content["data"])
            elif kind == "status" and content["execution_state"] == "idle":
                self._done.add(message["parent_header"].get("msg_id", ""))
            elif kind == "error" or content.get("name") == "stderr":
                self.errors.append(str(content)[:500])
            self._news.set()

    def _follow(self, comm: str, data: dict[str, Any]) -> None:
        if data.get("method") == "echo_update":
            self._heard = self.numbers
        if data.get("method") == "update_states":
            self.widgets |= {key: dict(each["state"]) for key, each in data["states"].items()}
        elif data.get("method") == "update" and comm in self.widgets:
            self.widgets[comm].update(data["state"])


def _children(state: dict[str, Any]) -> list[str]:
    return state.get("children") or []


def _unframed(raw: bytes) -> dict[str, Any]:
    """Return the message of a frame with buffers: their number, where each part begins, the JSON text, the buffers."""
    begin, *rest = (int.from_bytes(raw[at : at + 4], "big") for at in (4, 8))
    return json.loads(raw[begin : rest[0] if int.from_bytes(raw[:4], "big") > 1 else None])
