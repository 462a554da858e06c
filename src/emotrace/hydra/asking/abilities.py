"""What a model's server takes in, found out only as far as the questions at hand need it.

A server is asked whether it takes JSON schemas only where replies are wanted in JSON, and whether it takes pictures or
sound only where there are some to show: a small model behind a simple server is not asked for what it cannot do.
"""

from __future__ import annotations

import numpy as np

from emotrace.evidence.providers.http import Capabilities
from emotrace.evidence.providers.once import Once
from emotrace.evidence.reasoning.requests import Image, Part, Sound, Text
from emotrace.hydra.asking.model import ChatModel
from emotrace.hydra.asking.prompts import Form
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.view import jpeg_of, wav_of

_PING = "Answer with {}."
_PING_TOKENS = 16


class Abilities:
    """Of one model on one server.

    Args:
        model: Who is asked.
        form: How replies are to be written; None leaves it to the server's abilities.
    """

    def __init__(self, model: ChatModel, form: Form | None) -> None:
        self._model, self._form = model, form
        self._taken: dict[type[Part], Once[bool]] = {Image: Once(), Sound: Once()}

    def for_question(self, question: Question) -> Capabilities:
        """What the server takes of a question. May ask it, with material of no clip.

        Raises:
            ServerFailed: It is not there, or does not let us in.
        """
        if self._form != "tags":
            return self._model.capabilities()
        return Capabilities(
            vision=bool(question.pictures) and self._takes(Image(jpeg=jpeg_of(np.full((32, 32, 3), 128, np.uint8)))),
            audio=question.sound is not None and self._takes(Sound(wav=wav_of(np.zeros(1600, np.float32)))),
            json_mode="text",
        )

    def form_of(self, takes: Capabilities) -> Form:
        """How a reply is asked for."""
        return self._form or ("json" if takes.json_mode == "schema" else "tags")

    def _takes(self, part: Part) -> bool:
        return self._taken[type(part)].get(lambda: self._ask_whether_it_takes(part))

    def _ask_whether_it_takes(self, part: Part) -> bool:
        reply = self._model.complete(
            _PING, [Text(text=_PING), part], schema=None, temperature=0.0, seed=None, max_tokens=_PING_TOKENS
        )
        return reply.finish != "failed"
