"""Gemini's protocol against a fake on loopback: frame rate, parts, blocked answers, busy and lost services."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import ServerFailed, UsageError
from emotrace.evidence.mllm import Observer, asked_settings
from emotrace.evidence.providers.retries import Patience
from emotrace.evidence.reasoning.trace import Status
from emotrace.media.clip import Clip
from emotrace.testing.trace_answers import section

pytest.importorskip("google.genai", reason="needs the extra [gemini]")

from emotrace.evidence.providers.gemini import KEY_VARIABLES, GeminiProvider

ANSWER = {
    "candidates": [{"content": {"parts": [{"text": json.dumps(section("visual"))}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
}


@contextmanager
def fake(replies: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and the requests that came; the last reply is repeated."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, values = replies[min(len(asked), len(replies)) - 1]
            data = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLES[0], "no-real-key")
    monkeypatch.delenv(KEY_VARIABLES[1], raising=False)


def observer(url: str, **chosen: object) -> Observer:
    patience = Patience(tries=2, first_seconds=0.001, longest_seconds=0.001)
    provider = GeminiProvider(model="m", base_url=url, patience=patience, timeout_seconds=10.0)
    return Observer(provider, settings=asked_settings(labels=("happy", "sad"), **chosen), check=False)


def test_the_frame_rate_is_set_and_each_call_has_its_parts(small_clip: Path) -> None:
    with fake([(200, ANSWER)]) as (url, asked):
        made = observer(url, fps=12.0).trace(Clip.open(small_clip))
    assert made.visual.is_ok
    assert made.usage.prompt_tokens == 40
    visual, vocal, verbal, joint = ([p for p in each["contents"][0]["parts"] if "text" not in p] for each in asked)
    assert [part["inlineData"]["mime_type"] for part in joint] == ["video/mp4", "audio/wav"]
    assert visual[0]["videoMetadata"] == {"fps": 12.0}
    assert base64.urlsafe_b64decode(visual[0]["inlineData"]["data"])[4:8] == b"ftyp"
    assert [part["inlineData"]["mime_type"] for part in vocal] == ["audio/wav"]
    assert verbal == []
    assert asked[0]["generationConfig"]["responseJsonSchema"]["additionalProperties"] is False
    assert "happy_0042" not in json.dumps(asked)


def test_a_blocked_answer_is_a_refusal(small_clip: Path) -> None:
    with fake([(200, {"promptFeedback": {"blockReason": "SAFETY"}})]) as (url, _):
        made = observer(url).trace(Clip.open(small_clip))
    assert {section.status for section in made.sections.values()} == {Status.REFUSED}


def test_busy_is_asked_again_and_a_bad_request_is_not(small_clip: Path) -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    with fake([(503, error), (200, ANSWER)]) as (url, asked):
        assert observer(url).trace(Clip.open(small_clip)).visual.is_ok
    assert len(asked) == 5
    with fake([(400, {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}})]) as (url, asked):
        assert observer(url).trace(Clip.open(small_clip)).visual.status is Status.FAILED
    assert len(asked) == 4


def test_a_service_that_is_not_there(small_clip: Path) -> None:
    with fake([(200, ANSWER)]) as (url, _):
        pass
    with pytest.raises(ServerFailed, match="2 tries"):
        observer(url).trace(Clip.open(small_clip))


def test_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLES[0])
    with pytest.raises(UsageError, match="key"):
        GeminiProvider(model="m")
