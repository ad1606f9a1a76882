"""A headless Chromium, driven over a pipe by the DevTools protocol: nothing but the browser itself is needed.

Messages are JSON, each ended by a zero byte; the browser reads them from its file 3 and writes to its file 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The path of a Chromium, or None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Tab:
    """One tab of a browser. ``errors``: what its scripts threw or complained of. ``requests``: what it asked for, but for its own file."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._number = 0
        self._buffer = b""
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and wait for its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._read, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        self._note(answer.get("method", ""), answer.get("params", {}))
        return answer

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        if method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(("file:", "data:")):
            self.requests.append(parameters["request"]["url"])

    def open(self, file: Path, fragment: str = "") -> None:
        """Load a file, and wait until its scripts have run."""
        for url in ("about:blank", f"{file.resolve().as_uri()}{fragment}"):  # another fragment alone would load nothing
            self._events.clear()
            self.send("Page.navigate", url=url)
            while "Page.loadEventFired" not in self._events:
                self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", "an error"))
        return found["result"].get("value")

    def size(self, width: int, height: int, *, phone: bool = False, scale: float = 1) -> None:
        """The size of the window in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)

    def colours(self, scheme: str) -> None:
        """``light`` or ``dark``: what the system prefers."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str) -> None:
        """A key, as its user would."""
        code = {"Enter": "\r", "Space": " "}.get(key, "")
        name = " " if key == "Space" else key
        numbers = {"Enter": 13, "Space": 32, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        for kind in ("keyDown", "keyUp"):
            text = {"text": code} if code and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=key, windowsVirtualKeyCode=numbers[key], **text)

    def screenshot(self, file: Path) -> None:
        """A picture of what is in sight."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def opened_tab(*options: str) -> Iterator[Tab]:
    """A tab of a browser that runs for the body alone, without network; ``options`` are the browser's."""
    path = chromium()
    assert path is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    given = {3: to_browser[0], 4: from_browser[1]}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            path, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9", f"--user-data-dir={profile}",
            *options,
        ]  # fmt: skip
        # The shell gives the pipes the numbers that the browser expects, whatever they are here.
        moved = " ".join(f"{n}{'<' if n == 3 else '>'}&{fd}" for n, fd in given.items())
        browser = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {moved}', "bash", *command],
            pass_fds=list(given.values()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in given.values():
            os.close(fd)
        try:
            yield Tab(from_browser[0], to_browser[1])
        finally:
            browser.terminate()
            browser.wait(10)
            os.close(to_browser[1])
            os.close(from_browser[0])
