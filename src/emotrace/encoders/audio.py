"""Sound through a frozen model of transformers that hears raw samples: HuBERT, wav2vec 2.0, WavLM, data2vec.

A frame (20 ms in all of them) is the sum of the last four hidden layers, the utterance the mean frame [field: MERTools'
recipe]. Long sound is read in pieces of 30 seconds, so memory stays flat; a rest shorter than a second stays with the
piece before it [ours].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float32

from emotrace.encoders.checkpoints import load_frozen, missing, short_name
from emotrace.encoders.features import ClipFeatures
from emotrace.errors import ModelFileError
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform

MODEL_TYPES: Final = frozenset(
    ("hubert", "wav2vec2", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat", "sew", "sew-d")
)
"""The family: raw 16 kHz samples in, hidden layers of transformer blocks out."""
LAYERS: Final = 4
_PIECE_SAMPLES: Final = 30 * SAMPLE_RATE_HZ
_REST_SAMPLES: Final = SAMPLE_RATE_HZ
_LEAST_SAMPLES: Final = 400
"""The field of view of one frame."""


class TransformersSound:
    """One model; see `SoundEncoder`.

    Args:
        checkpoint: A name of the hub, or a folder.

    Raises:
        MissingExtra, ModelNotFound, ModelFileError: As `load_frozen`; also where the model is none of the family.
    """

    modality: Literal["vocal"] = "vocal"

    def __init__(self, checkpoint: str) -> None:
        self._model, weights = load_frozen(checkpoint)
        kind = self._model.config.model_type
        if kind not in MODEL_TYPES:
            raise ModelFileError(f"is a model of the kind {kind!r}, not one that hears raw sound", where=checkpoint)
        self._normalised = _is_normalised(checkpoint, self._model.config)
        self.name = short_name(checkpoint)
        self.width = int(self._model.config.hidden_size)
        self.fingerprint = f"sound-{weights}-{LAYERS}-{'normalised' if self._normalised else 'raw'}-1"

    def encode_sound(self, blocks: Iterable[Waveform]) -> ClipFeatures | None:
        """One row per 20 ms; None for sound shorter than one frame's field of view, 25 ms."""
        rows = [self._heard(piece) for piece in _pieces(blocks) if len(piece) >= _LEAST_SAMPLES]
        return ClipFeatures.mean_of(np.concatenate(rows)) if rows else None

    def _heard(self, samples: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, "frame width"]:
        import torch

        if self._normalised:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        with torch.inference_mode():
            values = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
            states = self._model(values, output_hidden_states=True).hidden_states
        return np.asarray(torch.stack(states[-LAYERS:]).sum(dim=0)[0].numpy(), np.float32)


def _is_normalised(checkpoint: str, config: Any) -> bool:
    """Whether the model was trained on sound of mean 0 and variance 1.

    Its feature extractor says so; a copy without that file is judged by its convolutions, which have layer norms
    exactly where the input was normalised [field: wav2vec 2.0's two recipes].
    """
    from transformers import AutoFeatureExtractor

    if Path(checkpoint).is_dir() and not Path(checkpoint, "preprocessor_config.json").is_file():
        return bool(config.feat_extract_norm == "layer")
    try:
        extractor: Any = AutoFeatureExtractor
        return bool(extractor.from_pretrained(checkpoint).do_normalize)
    except (OSError, ValueError) as error:
        raise missing(checkpoint, error) from None


def _pieces(blocks: Iterable[Waveform]) -> Iterator[Float32[np.ndarray, " time"]]:
    waiting = np.zeros(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block.samples])
        while len(waiting) >= _PIECE_SAMPLES + _REST_SAMPLES:
            yield waiting[:_PIECE_SAMPLES]
            waiting = waiting[_PIECE_SAMPLES:]
    yield waiting
