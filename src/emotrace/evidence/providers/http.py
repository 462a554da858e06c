"""Any OpenAI-compatible server, by the `openai` package: vLLM, Ollama, llama.cpp, clouds. Needs the extra `mllm`.

Pictures travel as JPEG, each with its time before it; sound as WAV. What a server cannot take in is found out once, by
three small questions that show nothing of any clip. Redirects are not followed: a server that sends us elsewhere is not
the one that the user named.
"""

from __future__ import annotations

import base64
import io
import os
import time
import wave
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from emotrace.errors import MissingExtra, ServerFailed, UsageError
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.providers.once import Once
from emotrace.evidence.providers.retries import Gate, Pace, Patience, TryAgain, patiently
from emotrace.evidence.reasoning.requests import Image, Part, Request, Sense, Sound, Text
from emotrace.evidence.reasoning.trace import Usage
from emotrace.labels.asking import KEY_VARIABLE, host_of

if TYPE_CHECKING:
    from openai import OpenAI

MAX_ANSWER_TOKENS: Final = 2048
_BUSY: Final = frozenset((408, 409, 425, 429))
_NO_KEY: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a server takes in."""

    vision: bool
    audio: bool
    json_mode: str
    """`schema`, `object` or `text`: the strictest that it accepts."""

    def to_dict(self) -> dict[str, bool]:
        """For a trace's record."""
        return {"vision": self.vision, "audio": self.audio, "schema": self.json_mode == "schema"}


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Per million tokens, in any one currency."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        """Of one call; None where the server did not count."""
        if prompt_tokens is None or completion_tokens is None:
            return None
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class HttpProvider:
    """Asks one model on one server.

    Args:
        base_url: Such as `http://127.0.0.1:8000/v1`. The key comes from the environment variable `EMOTRACE_LLM_KEY`.
        model: Its name there.
        announce: Is told the host before the first byte is sent.
        patience: How often, and after how long, a busy server is asked again.
        per_minute: Most questions a minute; None for no limit.
        prices: For the cost of a call; None leaves it unknown.
        timeout_seconds: How long to wait for one answer.
        capabilities: What the server takes in; asked of it where None.
        gate: Where every request waits, repeated ones and those about abilities too, in place of `per_minute`: a pace
            that several processes share.

    Raises:
        UsageError: Not an http address, or no model.
        MissingExtra: The package `openai` is not installed.
    """

    name = "http"
    writes = True

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        announce: Callable[[str], None] = lambda line: None,
        patience: Patience | None = None,
        per_minute: float | None = None,
        prices: Prices | None = None,
        timeout_seconds: float = 120.0,
        capabilities: Capabilities | None = None,
        gate: Gate | None = None,
    ) -> None:
        host = host_of(base_url, whose="the server's")
        if not model:
            raise UsageError("no model was named", where=base_url, hint="Name it with --model")
        self.host: str | None = host
        self.model = model
        self._client = _client(base_url, timeout_seconds)
        weakref.finalize(self, self._client.close)  # connections end with the provider, whoever holds it
        self._announce, self._announced = announce, Once[None]()
        self._patience, self._gate, self._prices = patience or Patience(), gate or Pace(per_minute), prices
        self._capabilities, self._told = Once[Capabilities](), capabilities

    def senses(self) -> tuple[Sense, ...]:
        """Words, and what the server was found to take in."""
        can = self.capabilities()
        return (*(("pictures",) if can.vision else ()), *(("sound",) if can.audio else ()), "words")

    def capabilities(self) -> Capabilities:
        """What the server takes in, asked once.

        Raises:
            ServerFailed: It is not there, or does not let us in.
        """
        return self._told or self._capabilities.get(self._find_capabilities)

    def ask(self, request: Request) -> Reply:
        """The answer to one question.

        Raises:
            ServerFailed: Nobody answered, although it was asked again and again; or the server does not let us in.
        """
        return self.complete(
            request.system,
            request.parts(),
            schema=request.schema,
            temperature=request.temperature,
            seed=request.seed,
        )

    def complete(
        self,
        system: str,
        parts: Sequence[Part],
        *,
        schema: Mapping[str, Any] | None,
        temperature: float,
        seed: int | None,
        max_tokens: int = MAX_ANSWER_TOKENS,
    ) -> Reply:
        """The reply to any question.

        Args:
            system: The fixed words.
            parts: What is shown.
            schema: JSON Schema of the reply, sent in the strictest way that the server takes; None asks for text.
            temperature: 0 for the likeliest words.
            seed: None sends none.
            max_tokens: Most tokens of the reply.

        Raises:
            ServerFailed: As for `ask`.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": [_content(part) for part in parts]},
            ],
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        if seed is not None:
            body["seed"] = seed
        if schema is not None:
            self._ask_for_json(body, schema)
        start = time.perf_counter()
        sent = patiently(lambda: self._send(body), self._patience, where=str(self.host))
        seconds = round(time.perf_counter() - start, 3)
        if isinstance(sent, str):
            return Reply(finish="failed", reason=sent, usage=Usage(calls=1, seconds=seconds))
        return self._reply(sent, seconds)

    def _find_capabilities(self) -> Capabilities:
        formats = [mode for mode in ("schema", "object") if self._takes([Text(text=_PING)], mode)]
        return Capabilities(
            vision=self._takes([Text(text=_PING), Image(jpeg=_grey_jpeg())], "text"),
            audio=self._takes([Text(text=_PING), Sound(wav=_silent_wav())], "text"),
            json_mode=formats[0] if formats else "text",
        )

    def _ask_for_json(self, body: dict[str, Any], schema: Mapping[str, Any]) -> None:
        mode = self.capabilities().json_mode
        if mode == "schema":
            wrapped = {"name": "trace", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wrapped}
        else:
            body["messages"][0]["content"] += "\n\nJSON Schema:\n" + _compact(schema)
        if mode == "object":
            body["response_format"] = {"type": "json_object"}

    def _takes(self, parts: list[Part], mode: str) -> bool:
        """Whether the server accepts a small question of this kind."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": [_content(part) for part in parts]}],
            "max_tokens": 16,
        }
        if mode == "schema":
            schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "ping", "strict": True, "schema": schema},
            }
        elif mode == "object":
            body["response_format"] = {"type": "json_object"}
        return not isinstance(patiently(lambda: self._send(body), self._patience, where=str(self.host)), str)

    def _send(self, body: Mapping[str, Any]) -> Any:
        """The server's completion, or the reason why it will never take this question."""
        import openai

        with_host = str(self.host)
        self._announced.get(lambda: self._announce(f"clips are sent to {with_host} (model {self.model})"))
        self._gate.wait()
        try:
            return self._client.chat.completions.create(**body)
        except openai.APITimeoutError:
            raise TryAgain("it took too long") from None
        except openai.APIConnectionError as error:
            raise TryAgain(f"the connection failed: {error.__cause__ or error}") from None
        except openai.APIStatusError as error:
            status = error.status_code
            if status in _BUSY or status >= 500:
                raise TryAgain(f"it answered {status}", _retry_after(error.response.headers)) from None
            if status in (401, 402, 403) or 300 <= status < 400:
                hint = f"Put its key into the environment variable {KEY_VARIABLE}" if status == 401 else None
                raise ServerFailed(f"answered {status}", where=with_host, hint=hint) from None
            return f"the server answered {status}"
        except openai.OpenAIError as error:
            raise TryAgain(f"it sent something else ({type(error).__name__})") from None
        except ValueError:  # a body that is no JSON
            raise TryAgain("it sent something else") from None

    def _reply(self, completion: Any, seconds: float) -> Reply:
        used = getattr(completion, "usage", None)
        prompt, completed = (getattr(used, name, None) for name in ("prompt_tokens", "completion_tokens"))
        pictures = getattr(getattr(used, "prompt_tokens_details", None), "image_tokens", None)
        usage = Usage(
            calls=1,
            prompt_tokens=prompt,
            completion_tokens=completed,
            image_tokens=pictures if type(pictures) is int else None,  # few servers tell it, none is held to a type
            seconds=seconds,
            cost=None if self._prices is None else self._prices.cost(prompt, completed),
        )
        choices = getattr(completion, "choices", None) or []
        message = choices[0].message if choices else None
        if message is None:
            return Reply(finish="failed", reason="the server sent no choice", usage=usage)
        if getattr(message, "refusal", None) or choices[0].finish_reason == "content_filter":
            said = getattr(message, "refusal", None) or message.content or ""
            return Reply(text=said, finish="refused", reason="the observer declined", usage=usage)
        return Reply(text=message.content or "", cut_off=choices[0].finish_reason == "length", usage=usage)


_PING: Final = "Answer with {}."


def _client(base_url: str, timeout_seconds: float) -> OpenAI:
    """The package's client, without its own retries, environment variables and redirects."""
    try:
        import openai
    except ModuleNotFoundError as error:
        raise MissingExtra("asking an OpenAI-compatible server", extra="mllm") from error
    return openai.OpenAI(
        base_url=base_url,
        api_key=os.environ.get(KEY_VARIABLE) or _NO_KEY,
        organization="",
        project="",
        timeout=timeout_seconds,
        max_retries=0,
        http_client=_http_client(openai, timeout_seconds),
    )


def _http_client(openai: Any, timeout_seconds: float) -> Any:
    make = getattr(openai, "DefaultHttpx2Client", None) or openai.DefaultHttpxClient
    return make(follow_redirects=False, timeout=timeout_seconds)


def _content(part: Part) -> dict[str, Any]:
    """A part as the chat protocol writes it."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_base64(part.jpeg)}"}}
    if isinstance(part, Sound):
        return {"type": "input_audio", "input_audio": {"data": _base64(part.wav), "format": "wav"}}
    raise ValueError("the chat protocol takes pictures one by one, not a video")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _compact(schema: Mapping[str, Any]) -> str:
    import json

    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _grey_jpeg() -> bytes:
    import cv2
    import numpy as np

    return bytes(cv2.imencode(".jpg", np.full((32, 32, 3), 128, np.uint8))[1].tobytes())


def _silent_wav() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3200))
    return written.getvalue()
