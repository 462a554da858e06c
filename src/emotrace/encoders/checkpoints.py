"""Pretrained models of transformers, frozen, by a name of the hub or a folder: what they are, and their weights.

Only safetensors are read: no pickle is ever opened, and no code of a checkpoint runs. No torch until weights are asked
for.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from emotrace.errors import MissingExtra, ModelFileError, ModelNotFound

_HINT: Final = (
    "Give a name of the hub, once with the network on, which keeps the model on this machine; or the folder of a copy "
    "(config.json, model.safetensors, and the files of its tokenizer or feature extractor)"
)


def missing(checkpoint: str, error: Exception) -> ModelNotFound:
    """What is raised when transformers cannot get a file of the checkpoint."""
    lines = str(error).strip().splitlines()
    return ModelNotFound(
        f"no checkpoint was found ({lines[0] if lines else type(error).__name__})", where=checkpoint, hint=_HINT
    )


def model_type(checkpoint: str) -> str:
    """The kind of model that the checkpoint's `config.json` names, such as `hubert`.

    Raises:
        MissingExtra: transformers is not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
    """
    return str(_settings(checkpoint).get("model_type", "unknown"))


def load_frozen(checkpoint: str) -> tuple[Any, str]:
    """The model without its heads, in float32 and evaluation mode, and a fingerprint of settings and weights.

    Raises:
        MissingExtra: transformers is not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
        ModelFileError: Damaged, of an unknown kind, or without some of its weights.
    """
    settings = _settings(checkpoint)
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        model, report = AutoModel.from_pretrained(
            checkpoint, dtype=torch.float32, use_safetensors=True, output_loading_info=True, trust_remote_code=False
        )
    except OSError as error:
        raise missing(checkpoint, error) from None
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ModelFileError(f"the model cannot be read ({error})", where=checkpoint, hint=_HINT) from None
    lost = sorted(name for name in report["missing_keys"] if "pooler" not in name and "masked_spec_embed" not in name)
    if lost:  # transformers draws them at random and goes on
        raise ModelFileError(f"{len(lost)} weights are missing, such as {lost[0]}", where=checkpoint)
    model.eval().requires_grad_(False)
    return model, fingerprint_of(model, settings)


def short_name(checkpoint: str) -> str:
    """The last part of a checkpoint's name, as folders of features are called.

    >>> short_name("facebook/hubert-base-ls960"), short_name("/models/mine/")
    ('hubert-base-ls960', 'mine')
    """
    return Path(checkpoint).name


def _settings(checkpoint: str) -> dict[str, Any]:
    try:
        from transformers import PreTrainedConfig
    except ImportError:
        raise MissingExtra("an encoder of transformers", extra="train") from None
    try:
        found, _ = PreTrainedConfig.get_config_dict(checkpoint)
    except (OSError, ValueError) as error:
        raise missing(checkpoint, error) from None
    if not found and not Path(checkpoint, "config.json").is_file():
        raise ModelNotFound("the folder has no config.json", where=checkpoint, hint=_HINT)
    return {name: value for name, value in found.items() if name not in ("_name_or_path", "transformers_version")}


def fingerprint_of(model: Any, settings: dict[str, Any] | None = None) -> str:
    """Of the numbers themselves: a checkpoint has the same one whatever it is called and wherever it lies."""
    digest = hashlib.sha256(json.dumps(settings or {}, sort_keys=True, default=str).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
