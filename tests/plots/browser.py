"""Chromium without a window, spoken to over a pipe in the protocol of its developer tools."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""What Chromium is called, by preference; the variable CHROMIUM goes before them."""
_PATIENCE = 60.0
"""Seconds to wait for an answer."""


def find_chromium() -> str | None:
    """Return the program, if there is one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Opened:
    """What a browser told of a page that it opened."""

    address: str
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, but the page itself and what it holds."""
    complaints: list[str] = field(default_factory=list)
    """Messages on the console, errors and what its policy refused."""


class Chromium:
    """A running browser with one page."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it; ``folder`` holds what it keeps."""
        self._last, self._session = 0, ""
        self._unread = b""
        self._events: list[dict[str, Any]] = []
        theirs, ours = (tuple(fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in os.pipe())
                        for _ in range(2))
        self._write, self._read = theirs[1], ours[0]

        def hand_over() -> None:
            os.dup2(theirs[0], 3)
            os.dup2(ours[1], 4)

        command = [program, "--headless", "--no-sandbox", "--remote-debugging-pipe",
                   "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(3, 4),
            preexec_fn=hand_over)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call(
            "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and return the answer."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def open(self, path: Path, width: int) -> Opened:
        """Open a file on a screen of some width, and tell what came of it."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844,
                  deviceScaleFactor=1, mobile=width < 640)
        self._events.clear()
        opened = Opened(path.as_uri())
        self.call("Page.navigate", url=opened.address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())
        self.value("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        for event in self._events:
            _note(event, opened)
        return opened

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is on the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code)

    def _next(self) -> dict[str, Any]:
        """Return the next message."""
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            assert data, "the browser has ended, or is silent"
            self._unread += data
        message, self._unread = self._unread.split(b"\0", 1)
        read: dict[str, Any] = json.loads(message)
        return read


def _note(event: dict[str, Any], opened: Opened) -> None:
    """Keep what an event says of requests and complaints."""
    method, told = event["method"], event.get("params", {})
    if method == "Network.requestWillBeSent":
        address = told["request"]["url"]
        if address != opened.address and not address.startswith("data:"):
            opened.requests.append(address)
    elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
        opened.complaints.append(json.dumps(told)[:300])
