"""Gemini, by the `google-genai` package. Needs the extra `gemini`.

Pictures travel as an MP4 part without sound whose frame rate is set: the service's own default of 1 a second shows a
3 s clip as three pictures, too thin for action units; it allows up to 24 [field: API reference].
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from emotrace.errors import MissingExtra, ServerFailed, UsageError
from emotrace.evidence.providers.http import MAX_ANSWER_TOKENS, Prices
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.providers.retries import Pace, Patience, TryAgain, patiently
from emotrace.evidence.reasoning.requests import SHOWN, Image, Part, Request, Sense, Sound, Text
from emotrace.evidence.reasoning.trace import Usage

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

HOST: Final = "generativelanguage.googleapis.com"
KEY_VARIABLES: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
MAX_FPS: Final = 24.0
_REFUSING: Final = frozenset(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"))
_BUSY: Final = frozenset((408, 409, 429))


class GeminiProvider:
    """Asks a Gemini model.

    Args:
        model: Its name.
        announce: Is told the host before the first byte is sent.
        patience: How often, and after how long, a busy service is asked again.
        per_minute: Most questions a minute; None for no limit.
        prices: For the cost of a call; None leaves it unknown.
        timeout_seconds: How long to wait for one answer.
        base_url: Another address that speaks the same protocol, as of a proxy.

    Raises:
        UsageError: No model, or no key in the environment.
        MissingExtra: The package `google-genai` is not installed.
    """

    name = "gemini"
    writes = True

    def __init__(
        self,
        *,
        model: str,
        announce: Callable[[str], None] = lambda line: None,
        patience: Patience | None = None,
        per_minute: float | None = None,
        prices: Prices | None = None,
        timeout_seconds: float = 120.0,
        base_url: str | None = None,
    ) -> None:
        try:
            from google import genai
            from google.genai import types
        except ModuleNotFoundError as error:
            raise MissingExtra("asking Gemini", extra="gemini") from error
        key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
        if key is None:
            raise UsageError("there is no key", where="gemini", hint=f"Put it into {KEY_VARIABLES[0]}")
        if not model:
            raise UsageError("no model was named", where="gemini", hint="Name it with --model")
        self.host: str | None = HOST if base_url is None else urlsplit(base_url).netloc
        self.model = model
        self._types: Any = types
        options = types.HttpOptions(
            base_url=base_url, timeout=round(1000 * timeout_seconds), client_args={"follow_redirects": False}
        )
        self._client = genai.Client(api_key=key, http_options=options, vertexai=False)
        weakref.finalize(self, self._client.close)  # connections end with the provider, whoever holds it
        self._announce, self._announced = announce, False
        self._patience, self._pace, self._prices = patience or Patience(), Pace(per_minute), prices

    def senses(self) -> tuple[Sense, ...]:
        """Everything."""
        return SHOWN["joint"]

    def ask(self, request: Request) -> Reply:
        """The answer to one question.

        Raises:
            ServerFailed: Nobody answered, although it was asked again and again; or the service does not let us in.
        """
        config = self._types.GenerateContentConfig(
            system_instruction=request.system,
            temperature=request.temperature,
            seed=request.seed,
            max_output_tokens=MAX_ANSWER_TOKENS * 4,  # a thinking model's thoughts count too
            response_mime_type="application/json",
            response_json_schema=request.schema,
        )
        parts = [self._part(part) for part in request.parts(as_video=True)]
        contents = self._types.Content(role="user", parts=parts)
        start = time.perf_counter()
        sent = patiently(lambda: self._send(contents, config), self._patience, where=str(self.host))
        seconds = round(time.perf_counter() - start, 3)
        if isinstance(sent, str):
            return Reply(finish="failed", reason=sent, usage=Usage(calls=1, seconds=seconds))
        return self._reply(sent, seconds)

    def _part(self, part: Part) -> Any:
        types = self._types
        if isinstance(part, Text):
            return types.Part(text=part.text)
        if isinstance(part, Sound):
            return types.Part(inline_data=types.Blob(data=part.wav, mime_type="audio/wav"))
        if isinstance(part, Image):
            return types.Part(inline_data=types.Blob(data=part.jpeg, mime_type="image/jpeg"))
        return types.Part(
            inline_data=types.Blob(data=part.mp4, mime_type="video/mp4"),
            video_metadata=types.VideoMetadata(fps=min(part.fps, MAX_FPS)),
        )

    def _send(self, contents: Any, config: Any) -> GenerateContentResponse | str:
        """The service's answer, or the reason why it will never take this question."""
        from google.genai import errors

        if not self._announced:
            self._announced = True
            self._announce(f"clips are sent to {self.host} (model {self.model})")
        self._pace.wait()
        try:
            return self._client.models.generate_content(model=self.model, contents=contents, config=config)
        except errors.APIError as error:
            if error.code in _BUSY or error.code >= 500:
                raise TryAgain(f"it answered {error.code}") from None
            if error.code in (401, 402, 403):
                raise ServerFailed(f"answered {error.code}", where=self.host) from None
            return f"the service answered {error.code}"
        except _transport_errors() as error:
            raise TryAgain(f"the connection failed ({type(error).__name__})") from None

    def _reply(self, answer: GenerateContentResponse, seconds: float) -> Reply:
        used = answer.usage_metadata
        prompt = None if used is None else used.prompt_token_count
        completed = None if used is None else (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
        usage = Usage(
            calls=1,
            prompt_tokens=prompt,
            completion_tokens=completed,
            seconds=seconds,
            cost=None if self._prices is None else self._prices.cost(prompt, completed),
        )
        blocked = None if answer.prompt_feedback is None else answer.prompt_feedback.block_reason
        candidate = answer.candidates[0] if answer.candidates else None
        stopped = None if candidate is None or candidate.finish_reason is None else candidate.finish_reason.name
        if blocked is not None or stopped in _REFUSING:
            return Reply(finish="refused", reason="the service blocked it", usage=usage)
        content = None if candidate is None else candidate.content
        parts = [] if content is None else content.parts or []
        return Reply(text="".join(part.text or "" for part in parts if not part.thought), usage=usage)


def _transport_errors() -> tuple[type[Exception], ...]:
    """How a connection fails, with the errors of the package's HTTP library, of which there are two."""
    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (OSError, ValueError, *(library.HTTPError for library in libraries))
