"""What several tests share."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE
from emotrace.pipeline import analyze
from emotrace.results import Analysis
from emotrace.samples import sample_clip

settings.register_profile("emotrace", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("emotrace")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real clips beside the repository on development machines; tests that need it skip without."""
    folder = SHARED / "media"
    if not folder.is_dir():
        pytest.skip("needs the folder of real test clips beside the repository")
    return folder


@pytest.fixture(scope="session")
def official_folder() -> Path:
    """The user's copy of the official wheel tables, from the environment or beside the repository."""
    folder = Path(os.environ.get(ENVIRONMENT_VARIABLE) or SHARED / "data" / "ovmer_tables")
    if not folder.is_dir():
        pytest.skip(f"needs a copy of the official wheel tables in {ENVIRONMENT_VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def grace_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small GRACE, trained for a few steps on drawn faces, with their card."""
    pytest.importorskip("torch", reason="needs the extra [train]")
    from emotrace.testing.tiny_grace import write_tiny_grace

    return write_tiny_grace(tmp_path_factory.mktemp("grace") / "run")


@pytest.fixture(scope="session")
def read_talk(grace_weights: Path) -> Analysis:
    """The sample clip, read by the small GRACE with the words typical of its likeliest label."""
    from emotrace.grace.video.system import GraceSystem

    return analyze(sample_clip(), systems=[GraceSystem.load(grace_weights, class_words=True)])


@pytest.fixture(scope="session")
def priors_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network of priors on the embedded encoders, trained on noise, with their card."""
    pytest.importorskip("torch", reason="needs the extra [train]")
    from emotrace.testing.trained_priors import write_tiny_priors

    return write_tiny_priors(tmp_path_factory.mktemp("priors") / "run")


@pytest.fixture(scope="session")
def fused_talk(priors_weights: Path) -> Analysis:
    """The sample clip, read by the small network with the embedded observers' traces."""
    from emotrace.priors.video.system import PriorsSystem

    return analyze(sample_clip(), systems=[PriorsSystem.load(priors_weights)])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread: models of a few thousand numbers gain nothing from more, and lose on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe",
)  # fmt: skip
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Escape": (27, "")}
"""Keys that the browser itself acts on: their code, and what they type."""


class Browser:
    """One page of a Chromium, driven over the DevTools protocol's pipe.

    Everything that the page asks of the network, and every error, is kept."""

    def __init__(self, profile: Path) -> None:
        command_read, self._command = os.pipe()
        self._answer, answer_write = os.pipe()
        self._process = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, os.dup(command_read), 3),
                (os.POSIX_SPAWN_DUP2, os.dup(answer_write), 4),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(answer_write)
        self._number, self._buffer, self._session = 0, b"", None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def close(self) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def open(self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Opens a file, or an address."""
        self.requests.clear()
        self.errors.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._call("Page.bringToFront")  # or keys go nowhere
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol !== 'about:'")

    def evaluate(self, expression: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"never came true: {condition}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        code, text = _KEYS.get(key, (0, ""))
        named = {"key": key, "windowsVirtualKeyCode": code} if code else {"key": key}
        self._call("Input.dispatchKeyEvent", type="keyDown", **named, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **named)

    def attach(self, selector: str, path: Path) -> None:
        """Chooses a file in a file field."""
        field = self._call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self._call("DOM.setFileInputFiles", files=[str(path)], objectId=field["result"]["objectId"])

    def click(self, selector: str, *, frame: str | None = None) -> None:
        """A real click of the mouse on the middle of an element, in a frame if one is named."""
        page = "document" if frame is None else f"document.querySelector({json.dumps(frame)}).contentDocument"
        find = f"{page}.querySelector({json.dumps(selector)})"
        offset = "{x: 0, y: 0}" if frame is None else f"{page}.defaultView.frameElement.getBoundingClientRect()"
        place = self.evaluate(
            f"{find}.scrollIntoView({{block: 'center', behavior: 'instant'}}), ((r, o) => [o.x + r.x + r.width / 2, "
            f"o.y + r.y + r.height / 2])({find}.getBoundingClientRect(), {offset})"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def screenshot(self, path: Path, *, full: bool = True) -> None:
        picture = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._command, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                piece = os.read(self._answer, 1 << 20)
                assert piece, "Chromium closed the pipe"
                self._buffer += piece
            raw, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(raw)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not Path(CHROMIUM).is_file():
        pytest.skip("needs Chromium to open the page in")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
