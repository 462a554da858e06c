"""Features kept by what they were made from: the clip's bytes, the encoder's weights and settings. Names play no part.

So a clip that another edition of a corpus renamed, or a run that was killed, is not computed again, and a clip or
encoder that changed is. One small file per clip, encoder and level; each is there whole, or not at all.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from emotrace.encoders.features import Level
from emotrace.encoders.text import SentenceEncoder
from emotrace.files import cache_folder, make_folder, write_atomically

Rows = Float32[np.ndarray, "..."]
"""An utterance's row, or the rows of a clip's frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureKey:
    """What a kept feature was made from."""

    content: str
    """Hash of what the encoder was given."""
    encoder: str
    """Fingerprint of the encoder, and of what was done before it."""
    level: Level


class FeatureCache:
    """Features on disk.

    Args:
        folder: Made when the first feature is kept; by default `features` in the folder for what can be fetched.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = cache_folder() / "features" if folder is None else Path(folder)

    def get(self, key: FeatureKey) -> Rows | None:
        """What was kept; None where nothing was, or where the file is damaged. No row stands for "has none"."""
        try:
            kept = np.load(io.BytesIO(self._place(key).read_bytes()), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return kept if isinstance(kept, np.ndarray) and kept.dtype == np.float32 else None

    def put(self, key: FeatureKey, rows: Rows) -> None:
        """Keeps the features.

        Raises:
            UnwritableOutput: The folder is closed or the disk full.
        """
        place = self._place(key)
        make_folder(place.parent)
        write_atomically(place, as_npy(rows))

    def _place(self, key: FeatureKey) -> Path:
        name = hashlib.sha256(f"{key.encoder}|{key.level}|{key.content}".encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"


class CachedSentences:
    """A sentence encoder that remembers on disk what it read.

    Args:
        encoder: Who reads what is new.
        cache: Where it is kept.
    """

    modality: Literal["verbal"] = "verbal"

    def __init__(self, encoder: SentenceEncoder, cache: FeatureCache) -> None:
        self._encoder, self._cache = encoder, cache
        self.name, self.width = encoder.name, encoder.width
        self.fingerprint, self.mask_token = encoder.fingerprint, encoder.mask_token

    def encode_tokens(self, text: str) -> Float32[np.ndarray, "token width"]:
        """See `SentenceEncoder`."""
        return self._kept(text, "fra")

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "text width"]:
        """See `SentenceEncoder`."""
        rows = [self._kept(text, "utt") for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)

    def _kept(self, text: str, level: Level) -> Rows:
        key = FeatureKey(content=text_hash(text), encoder=self.fingerprint, level=level)
        rows = self._cache.get(key)
        if rows is None or rows.shape[-1] != self.width:
            rows = self._encoder.encode([text])[0] if level == "utt" else self._encoder.encode_tokens(text)
            self._cache.put(key, rows)
        return rows


def text_hash(text: str) -> str:
    """What a text's features are kept by."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_npy(rows: Rows) -> bytes:
    """An array as the bytes of an `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(rows, dtype="<f4"), allow_pickle=False)
    return buffer.getvalue()
