from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotrace.encoders.cache import CachedSentences, FeatureCache, FeatureKey
from emotrace.encoders.text import SentenceEncoder
from emotrace.encoders.text_hashed import HashedText

KEY = FeatureKey(content="clip", encoder="one", level="utt")


class _Counting(HashedText):
    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.read += texts
        return super().encode(texts)


def test_what_was_put_is_got_by_the_same_key_alone(tmp_path: Path) -> None:
    cache, rows = FeatureCache(tmp_path), np.arange(3, dtype=np.float32)
    assert cache.get(KEY) is None
    cache.put(KEY, rows)
    found = FeatureCache(tmp_path).get(KEY)
    assert found is not None
    assert np.array_equal(found, rows)
    for other in (
        FeatureKey(content="other", encoder="one", level="utt"),
        FeatureKey(content="clip", encoder="two", level="utt"),
        FeatureKey(content="clip", encoder="one", level="fra"),
    ):
        assert cache.get(other) is None


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(KEY, np.ones(8, np.float32))
    (file,) = tmp_path.rglob("*.npy")
    for damaged in (b"", file.read_bytes()[:-5], b"not an array", np.array(["a"]).tobytes()):
        file.write_bytes(damaged)
        assert cache.get(KEY) is None


def test_no_row_is_kept_too(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(KEY, np.zeros(0, np.float32))
    found = cache.get(KEY)
    assert found is not None
    assert found.size == 0


def test_texts_are_read_once(tmp_path: Path) -> None:
    reader = _Counting()
    cached = CachedSentences(reader, FeatureCache(tmp_path))
    assert isinstance(cached, SentenceEncoder)
    first = cached.encode(["brows rise", "lips part", "brows rise"])
    again = CachedSentences(reader, FeatureCache(tmp_path)).encode(["lips part", "brows rise"])
    assert reader.read == ["brows rise", "lips part"]
    assert np.array_equal(first[[1, 0]], again)
    assert np.array_equal(first, HashedText().encode(["brows rise", "lips part", "brows rise"]))
    assert np.array_equal(cached.encode_tokens("lips part"), reader.encode_tokens("lips part"))
    assert cached.encode([]).shape == (0, reader.width)
