"""Texts through a frozen text model of transformers: BERT, RoBERTa, E5, MacBERT and their relatives.

A token is the sum of the last four hidden layers, a text the mean of its tokens without start, end and separators
[field: MERTools' text recipe]. A text of more tokens than the model reads is cut into windows, and the mean goes over
the tokens of all of them, so each window weighs by its number of tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float32

from emotrace.encoders.checkpoints import load_frozen, missing, short_name
from emotrace.errors import ModelFileError

LAYERS: Final = 4
"""Of the last hidden layers, how many are summed [field: MERTools]."""
WINDOW_TOKENS: Final = 512
"""Longest window, start and end included; shorter where the model reads less."""


class TransformersText:
    """One text model; see `SentenceEncoder`.

    Args:
        checkpoint: A name of the hub, or a folder.

    Raises:
        MissingExtra, ModelNotFound, ModelFileError: As `load_frozen`; also where the model reads no text.
    """

    modality: Literal["verbal"] = "verbal"

    def __init__(self, checkpoint: str) -> None:
        self._model, weights = load_frozen(checkpoint)
        from transformers import AutoTokenizer

        if self._model.main_input_name != "input_ids" or self._model.config.is_encoder_decoder:
            kind = self._model.config.model_type
            raise ModelFileError(f"is a model of the kind {kind!r}, not one that reads text", where=checkpoint)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, use_fast=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise missing(checkpoint, error) from None
        if not self._tokenizer.is_fast:
            raise ModelFileError("it has no fast tokenizer (tokenizer.json)", where=checkpoint)
        self.name = short_name(checkpoint)
        self.width = int(self._model.config.hidden_size)
        self.mask_token = str(self._tokenizer.mask_token or "[MASK]")
        self._window = _window(self._model.config, self._tokenizer)
        vocabulary = json.dumps(sorted(self._tokenizer.get_vocab().items())).encode()
        self.fingerprint = f"text-{weights}-{hashlib.sha256(vocabulary).hexdigest()[:12]}-{LAYERS}-{self._window}-1"

    def encode_tokens(self, text: str) -> Float32[np.ndarray, "token width"]:
        """Tokens of all windows in order, without start, end and separators."""
        import torch

        read = self._tokenizer(
            text,
            truncation=True,
            max_length=self._window,
            return_overflowing_tokens=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        rows = [np.zeros((0, self.width), np.float32)]
        for ids, special in zip(read["input_ids"], read["special_tokens_mask"], strict=True):
            if all(special):
                continue
            with torch.inference_mode():
                states = self._model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
            summed = torch.stack(states[-LAYERS:]).sum(dim=0)[0].numpy()
            rows.append(summed[np.array(special) == 0].astype(np.float32))
        return np.concatenate(rows)

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "text width"]:
        """The mean token of each text, read alone and without padding."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            tokens = self.encode_tokens(text)
            if len(tokens):
                vectors[row] = tokens.mean(axis=0, dtype=np.float64)
        return vectors


def _window(config: Any, tokenizer: Any) -> int:
    """Tokens that the model reads at once. RoBERTa counts places from behind the padding's, so two are lost."""
    places = int(getattr(config, "max_position_embeddings", 0) or WINDOW_TOKENS)
    if "roberta" in config.model_type:
        places -= int(config.pad_token_id) + 1
    return min(WINDOW_TOKENS, places, int(tokenizer.model_max_length))
