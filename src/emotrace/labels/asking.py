"""Labels out of free text by a language model, on a server that the user names; `extract.py` does it by rules.

The text is sent to that server, which is why nothing here runs unless it is asked for by name. The server speaks the
chat protocol of OpenAI; many local ones do. Temperature 0, a fixed seed and a strict JSON schema make answers as
repeatable as the server allows. Each answer is kept by the hashes of text and prompt and by the model's name, so that
a second run asks nothing. No text is kept.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from emotrace.errors import MalformedCompletion, ServerFailed, UnwritableOutput, UsageError
from emotrace.files import lines_of

KEY_VARIABLE: Final = "EMOTRACE_LLM_KEY"
"""Environment variable with the server's key. A key meant for another server is never sent to this one."""
SEED: Final = 0
MAX_LABELS: Final = 8
_MAX_ANSWER_BYTES: Final = 2**20
_PROMPT: Final = (
    "You are given a description of a person in a video. List the emotions that it says the person shows, as single "
    "words or short phrases of the description's language, in order of appearance, without those that it denies or "
    f"doubts. At most {MAX_LABELS}. If it names none, the list is empty."
)
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"labels": {"type": "array", "items": {"type": "string"}}},
    "required": ["labels"],
    "additionalProperties": False,
}
PROMPT_SHA256: Final = hashlib.sha256((_PROMPT + json.dumps(_SCHEMA, sort_keys=True)).encode()).hexdigest()


class LabelAsker:
    """Asks one model on one server, and remembers.

    Args:
        url: Base address, such as `http://127.0.0.1:8000/v1`.
        model: Name of the model there.
        kept: JSON lines of earlier answers; new ones are appended.
        announce: Is told the host before the first text is sent.
        timeout_seconds: How long to wait for one answer.

    Raises:
        UsageError: Not an http address, or no model.
    """

    def __init__(
        self,
        *,
        url: str,
        model: str,
        kept: Path,
        announce: Callable[[str], None] = lambda line: None,
        timeout_seconds: float = 120.0,
    ) -> None:
        host = host_of(url, whose="the language model's")
        if not model:
            raise UsageError("no model was named", where=url, hint="Name it with --llm-model")
        self.host = host
        self.model = model
        self.asked = 0
        """How many texts were sent."""
        self._address = url.rstrip("/") + "/chat/completions"
        self._kept = kept
        self._answers = _read_kept(kept)
        self._announce = announce
        self._timeout_seconds = timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirect)

    def labels(self, text: str) -> tuple[str, ...]:
        """The labels of a text: the kept answer, or a new one.

        Raises:
            ServerFailed: The server is not there, refuses, or sends something else.
            MalformedCompletion: The model's answer is not what the schema demands.
            UnwritableOutput: The answer cannot be kept.
        """
        key = (hashlib.sha256(text.encode()).hexdigest(), self.model, PROMPT_SHA256)
        if key not in self._answers:
            if not self.asked:
                self._announce(f"texts are sent to {self.host} (model {self.model})")
            self.asked += 1
            self._answers[key] = _labels_of(self._ask(text), self._address)
            self._keep(key)
        return self._answers[key]

    def provenance(self) -> dict[str, Any]:
        """Whom was asked what: for the report."""
        return {"host": self.host, "model": self.model, "prompt_sha256": PROMPT_SHA256, "seed": SEED, "temperature": 0}

    def _ask(self, text: str) -> bytes:
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": _PROMPT}, {"role": "user", "content": text}],
            "temperature": 0,
            "seed": SEED,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "labels", "strict": True, "schema": _SCHEMA},
            },
        }
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._address, json.dumps(body).encode(), headers)
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                answer: bytes = response.read(_MAX_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            raise ServerFailed(f"answered {error.code} {error.reason}", where=self._address) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerFailed(f"cannot be asked ({reason})", where=self._address) from None
        return answer

    def _keep(self, key: tuple[str, str, str]) -> None:
        text_sha256, model, prompt_sha256 = key
        row = {"text_sha256": text_sha256, "model": model, "prompt_sha256": prompt_sha256}
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            with self._kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({**row, "labels": self._answers[key]}, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UnwritableOutput(f"cannot be written ({error.strerror})", where=self._kept) from None


def host_of(address: str, *, whose: str) -> str:
    """The host, and the port if it is named, of an address that texts may be sent to.

    Args:
        address: As the user wrote it.
        whose: For the message, such as "the server's".

    Raises:
        UsageError: Not an http address, or one with a name or password in it.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise UsageError(
            f"{whose} address must be http://HOST... or https://HOST..., without a name or password",
            where=address,
            hint=f"Put a key into the environment variable {KEY_VARIABLE}",
        )
    return parts.netloc


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A server that sends us elsewhere was not the one that the user named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _labels_of(answer: bytes, where: str) -> tuple[str, ...]:
    raw = answer.decode("utf-8", errors="replace")
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
    except (json.JSONDecodeError, RecursionError, KeyError, IndexError, TypeError):
        raise ServerFailed(f"sent no chat completion: {raw[:80]!r}", where=where) from None
    try:
        labels = json.loads(content)["labels"]
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise MalformedCompletion(
            f'the model did not answer {{"labels": [...]}} but {str(content)[:80]!r}', raw=str(content), where=where
        )
    cleaned = (" ".join(label.lower().split()) for label in labels)
    return tuple(dict.fromkeys(label for label in cleaned if label))[:MAX_LABELS]


def _read_kept(path: Path) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """Earlier answers. A line that was cut off by a crash is asked again; it is not an error."""
    try:
        lines = lines_of(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=path) from None
    answers = {}
    for line in lines:
        try:
            row = json.loads(line)
            answers[row["text_sha256"], row["model"], row["prompt_sha256"]] = tuple(map(str, row["labels"]))
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return answers
