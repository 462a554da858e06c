"""A fake of an OpenAI-compatible server, on loopback. No model answers: a script does, and it may fail as servers fail.

What becomes of a request depends on the request and on how often it came, never on the order of requests, so that a
run's outcome can be repeated.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

Fault = Literal[
    "answer", "bad_json", "refusal", "busy", "rate_limit", "not_taken", "cut", "slow", "hold", "half", "foreign"
]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One request and what became of it."""

    request_sha256: str
    fault: Fault
    body: Mapping[str, Any]


class FakeChatServer:
    """Use as a context manager; `url` is its address.

    Args:
        script: (hash of the request, how often it came before) -> what happens; always `answer` where None.
        answer: Body of the request -> the text of the answer; one that fits the request's JSON schema where None.
        takes_sound: Whether requests with sound are taken.
        takes_schema: Whether `json_schema` is taken.
        hold_after: So many answers are given, and then every request waits until the server is closed.
        slow_seconds: How long `slow` takes.
        image_tokens: How many tokens of pictures it reports per reply; None reports none, as most servers do.
    """

    def __init__(
        self,
        script: Callable[[str, int], Fault] | None = None,
        *,
        answer: Callable[[Mapping[str, Any]], str] | None = None,
        takes_sound: bool = True,
        takes_schema: bool = True,
        hold_after: int | None = None,
        slow_seconds: float = 5.0,
        image_tokens: int | None = None,
    ) -> None:
        self.script = script or (lambda sha256, before: "answer")
        self.answer = answer or fitting_answer
        self.takes_sound, self.takes_schema = takes_sound, takes_schema
        self.hold_after, self.slow_seconds, self.image_tokens = hold_after, slow_seconds, image_tokens
        self.log: list[Answered] = []
        self.closed = threading.Event()
        self._came: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> FakeChatServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def answered(self) -> Counter[str]:
        """Request -> how often it got an answer that ends the matter; small questions about abilities left out."""
        with self._lock:
            return Counter(each.request_sha256 for each in self.log if each.fault in ("answer", "bad_json", "refusal"))

    def text_for(self, body: Mapping[str, Any]) -> str:
        """The text of the answer; small questions about abilities always get `{}`."""
        return "{}" if body.get("max_tokens") == 16 else self.answer(body)

    def decide(self, body: Mapping[str, Any]) -> tuple[str, Fault]:
        """What becomes of a request, and its hash."""
        sha256 = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if body.get("max_tokens") == 16:
            return sha256, "answer" if self._is_taken(body) else "not_taken"
        with self._lock:
            fault = self.script(sha256, self._came[sha256]) if self._is_taken(body) else "not_taken"
            answers = sum(each.fault in ("answer", "bad_json", "refusal") for each in self.log)
            if self.hold_after is not None and answers >= self.hold_after:
                fault = "hold"
            self._came[sha256] += 1
            self.log.append(Answered(request_sha256=sha256, fault=fault, body=body))
        return sha256, fault

    def _is_taken(self, body: Mapping[str, Any]) -> bool:
        parts = [part for message in body["messages"] for part in _parts(message["content"])]
        has_sound = any(part.get("type") == "input_audio" for part in parts)
        wants_schema = (body.get("response_format") or {}).get("type") == "json_schema"
        return (self.takes_sound or not has_sound) and (self.takes_schema or not wants_schema)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed leave broken connections: that is what they are for."""


def fitting_answer(body: Mapping[str, Any]) -> str:
    """An answer that fits the request's schema; its numbers come from the request's hash."""
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema is None:
        return "{}"
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    return json.dumps(_filled(schema, digest))


def _filled(schema: Mapping[str, Any], digest: bytes) -> Any:
    properties = schema["properties"]
    if "text" not in properties:
        return {name: _filled(each, digest) for name, each in properties.items()}
    letter = properties["observations"]["items"]["properties"]["id"]["pattern"][1]
    told = {"start_seconds": 0.0, "end_seconds": 0.05, "strength": 0.5, "confidence": 0.5}
    section: dict[str, Any] = {
        "observations": [{"id": f"{letter}1", "text": f"something changes, mark {digest[0]}", **told}],
        "text": "A made-up answer of a fake server, long enough to be checked.",
    }
    if "scores" in properties:
        names = list(properties["scores"]["properties"])
        scores = {name: round(digest[k % len(digest)] / 255, 3) for k, name in enumerate(names)}
        section |= {"scores": scores, "label": max(scores, key=lambda name: scores[name])}
    if "contribution" in properties:
        section["contribution"] = {"visual": 50, "vocal": 30, "verbal": 20}
    return section


def _parts(content: Any) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _completion(
    text: str, *, refusal: str | None = None, finish: str = "stop", image_tokens: int | None = None
) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if refusal else text, "refusal": refusal}
    told = {} if image_tokens is None else {"prompt_tokens_details": {"image_tokens": image_tokens}}
    return {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, **told},
    }


def _handler(fake: FakeChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per answer, not one per header
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, fault = fake.decide(body)
            if fault == "hold":
                fake.closed.wait()
                self.close_connection = True
            elif fault == "cut":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault in ("busy", "rate_limit", "not_taken"):
                status = {"busy": 503, "rate_limit": 429, "not_taken": 400}[fault]
                self._send(status, {"error": {"message": f"fake: {fault}"}}, {"Retry-After": "0"})
            elif fault == "refusal":
                self._send(200, _completion("", refusal="fake: no"))
            elif fault == "half":  # the limit of tokens came first
                text = fake.answer(body)
                self._send(200, _completion(text[: len(text) // 2], finish="length"))
            elif fault == "foreign":  # JSON, but no chat completion
                self._send(200, {"result": {"output": "hello"}})
            else:
                if fault == "slow":
                    time.sleep(fake.slow_seconds)
                text = "this is no { JSON" if fault == "bad_json" else fake.text_for(body)
                self._send(200, _completion(text, image_tokens=fake.image_tokens))

        def _send(self, status: int, values: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
            data = json.dumps(values).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: tests read the log."""

    return Handler
