"""What is installed here: the base packages, the models, and what each extra would add. Used by `emotrace doctor`."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from emotrace._version import __version__
from emotrace.errors import ChecksumMismatch, ModelNotFound
from emotrace.models import REGISTRY, resolve

_PACKAGE = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra == ['"]([a-z]+)['"]""")

EXTRAS: dict[str, str] = {
    "mllm": "reasoning and observing by a multimodal language model on any OpenAI-compatible server",
    "gemini": "the same by Google's Gemini",
    "asr": "transcripts by speech recognition",
    "train": "training and running GRACE and the fusion network",
    "tensorboard": "curves of a training run for TensorBoard",
    "rl": "learning HyDRA's protocol by SFT and GRPO",
    "eval": "scikit-learn beside our own metrics",
    "serve": "the server and its web page",
    "ray": "batches on a Ray cluster",
    "parquet": "parquet exports",
    "egemaps": "the reference eGeMAPS features (openSMILE; its licence allows no commercial use)",
}


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """One model and whether it can be used now."""

    name: str
    state: str
    licence: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class ExtraState:
    """One extra and the packages that it lacks."""

    name: str
    what_for: str
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The state of this installation."""

    emotrace: str
    python: str
    platform: str
    cores: int
    packages: dict[str, str | None]
    models: tuple[ModelState, ...]
    extras: tuple[ExtraState, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the base install from working."""
        lacking = [f"{name} is not installed" for name, found in self.packages.items() if found is None]
        broken = [f"model {model.name}: {model.state}" for model in self.models if model.state == "damaged"]
        return (*lacking, *broken)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "problems": list(self.problems)}


def examine() -> Installation:
    """Looks at what is installed; imports none of it and touches no network."""
    wanted = _declared()
    return Installation(
        emotrace=__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        cores=os.cpu_count() or 1,
        packages={name: installed_version(name) for name in wanted[None]},
        models=_models(),
        extras=tuple(
            ExtraState(name=extra, what_for=what_for, missing=_missing(wanted.get(extra, [])))
            for extra, what_for in EXTRAS.items()
        ),
    )


def installed_version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _declared() -> dict[str | None, list[str]]:
    """Extra (None: the base install) -> the packages that our own metadata asks for."""
    wanted: dict[str | None, list[str]] = {None: []}
    for requirement in requires("emotrace") or []:
        package, extra = _PACKAGE.match(requirement), _EXTRA.search(requirement)
        if package is not None:
            wanted.setdefault(extra and extra[1], []).append(package[0])
    return wanted


def _missing(packages: list[str]) -> tuple[str, ...]:
    return tuple(name for name in packages if installed_version(name) is None)


def _models() -> tuple[ModelState, ...]:
    return tuple(
        ModelState(name=weights.name, state=_state(weights.name), licence=weights.licence, origin=weights.origin)
        for weights in REGISTRY.values()
    )


def _state(name: str) -> str:
    try:
        resolve(name)
    except ModelNotFound:
        return f"not there: emotrace pull {name}"
    except ChecksumMismatch:
        return "damaged"
    return "ready"
