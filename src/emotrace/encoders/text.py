"""Texts as vectors: what every sentence encoder has in common, and the encoders by name.

    hashed                    nothing to download, the same on every machine: `text_hashed.py`
    NAME or FOLDER            any text model of transformers, frozen: `text_transformers.py`

They read the traces that go into the fusion network (`priors/trace_vectors.py`) and the words of a clip (`extract.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

DEFAULT_TRACE_ENCODER: Final = "intfloat/multilingual-e5-base"
"""768 numbers, Chinese and English, MIT licence [ours]."""


@runtime_checkable
class SentenceEncoder(Protocol):
    """Reads each text by itself: a vector never depends on what else was read."""

    modality: Literal["verbal"]
    name: str
    width: int
    fingerprint: str
    """Of whatever the numbers depend on: code, settings, weights."""
    mask_token: str
    """What stands for a word that is hidden from the encoder."""

    def encode_tokens(self, text: str) -> Float32[np.ndarray, "token width"]:
        """One vector per token of the text, in order; no row for a text without a token."""
        ...

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "text width"]:
        """One vector per text; zeros for a text without a token."""
        ...


def sentence_encoder(name: str) -> SentenceEncoder:
    """The encoder of that name.

    Args:
        name: `hashed`, a name of the Hugging Face hub, or a folder with a copy of one.

    Raises:
        MissingExtra: transformers is needed and not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
        ModelFileError: It reads no text, or is damaged.
    """
    if name == "hashed":
        from emotrace.encoders.text_hashed import HashedText

        return HashedText()
    from emotrace.encoders.text_transformers import TransformersText

    return TransformersText(name)
