"""A CLIP checkpoint, by its name on the Hugging Face hub or its folder: what it is, and its tokenizer. No torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from emotrace.encoders.tokens import Token
from emotrace.errors import MissingExtra, ModelFileError, ModelNotFound

_HINT: Final = (
    "Give a CLIP checkpoint of the hub, such as openai/clip-vit-base-patch16, once with the network on, which keeps it "
    "on this machine; or the folder of a copy (config.json, model.safetensors, tokenizer files)"
)


def not_found(checkpoint: str, error: Exception) -> ModelNotFound:
    """What is raised when transformers cannot get a file of the checkpoint."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ModelNotFound(f"no CLIP checkpoint was found ({reason})", where=checkpoint, hint=_HINT)


def settings(checkpoint: str) -> dict[str, Any]:
    """The checkpoint's `config.json`. `HF_HUB_OFFLINE=1` keeps to what is on this machine.

    Raises:
        MissingExtra: transformers is not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
        ModelFileError: A checkpoint of something else than CLIP.
    """
    try:
        from transformers import PreTrainedConfig
    except ImportError:
        raise MissingExtra("a CLIP encoder", extra="train") from None
    try:
        found, _ = PreTrainedConfig.get_config_dict(checkpoint)
    except (OSError, ValueError) as error:
        raise not_found(checkpoint, error) from None
    if not found and not Path(checkpoint, "config.json").is_file():
        raise ModelNotFound("the folder has no config.json", where=checkpoint, hint=_HINT)
    if found.get("model_type") != "clip":
        kind = found.get("model_type", "unknown")
        raise ModelFileError(f"is a checkpoint of the kind {kind!r}, not clip", where=checkpoint, hint=_HINT)
    return dict(found)


class ClipTokenizer:
    """CLIP's byte-pair tokens, with the characters that each stands for.

    Raises:
        MissingExtra, ModelNotFound, ModelFileError: As `settings`.
    """

    def __init__(self, checkpoint: str) -> None:
        text = settings(checkpoint).get("text_config") or {}
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(checkpoint, use_fast=True)
        except (OSError, ValueError) as error:
            raise not_found(checkpoint, error) from None
        vocabulary = json.dumps(sorted(self._tokenizer.get_vocab().items())).encode()
        self.name = f"clip-{len(self._tokenizer)}-{hashlib.sha256(vocabulary).hexdigest()[:12]}"
        self.budget = int(text.get("max_position_embeddings", 77))
        self.start_id = int(self._tokenizer.bos_token_id)
        self.end_id = int(self._tokenizer.eos_token_id)
        """Also the padding in most checkpoints: so it never tells where a text ends."""

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text without start and end, in order; the whole text, whatever its length."""
        read = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        pairs = zip(read["input_ids"], read["offset_mapping"], strict=True)
        return [Token(id=int(token), start=int(start), end=int(end)) for token, (start, end) in pairs]
