"""How every file of a batch is analysed, in a form that travels to the workers; and the hash by which work is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotrace._version import __version__
from emotrace.errors import ModelNotFound
from emotrace.files import sha256_of
from emotrace.models import REGISTRY, is_here, resolve, verify

if TYPE_CHECKING:
    from emotrace.batch.asking import Asking
    from emotrace.evidence.providers.retries import Gate
    from emotrace.systems import System

_PACKAGES: Final = ("numpy", "av", "opencv-python-headless", "onnxruntime", "torch")
"""Those whose version can change a number."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done with each file.

    A builder of systems travels instead of the systems themselves: each worker loads its own.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `emotrace.analyze`, in plain values."""
    systems: Callable[[], tuple[System, ...]] | None = None
    systems_settings: Mapping[str, Any] = field(default_factory=dict)
    """What the systems were asked for with, in plain values."""
    weights: tuple[Path, ...] = ()
    """Files and folders that the systems read."""
    asking: Asking | None = None
    gate: Gate | None = None
    """Where all workers wait before they ask."""
    report: bool = False
    redact: bool = False

    def check(self) -> None:
        """Finds what would fail for every file, before any is read.

        Raises:
            UsageError: A choice that cannot be.
            ModelFileError: Weights that are not there, or are others than they should be.
            MissingExtra: Something is not installed.
        """
        self.settings_sha256  # noqa: B018 - reads all weights
        if self.systems is not None:
            self.systems()
        if self.asking is not None:
            self.asking.server()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything beside the file itself that a result depends on."""
        return {
            "emotrace": __version__,
            "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
            "options": {**self.options, "detector": self._detector(), "detector_model": None},
            "systems": dict(self.systems_settings),
            "asking": None if self.asking is None else self.asking.settings(),
            "weights": dict(self._weights()),
        }

    @cached_property
    def settings_sha256(self) -> str:
        """Hash of `settings`: what was made under another is made again."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def _detector(self) -> str:
        """Which face detector `auto` means on this machine."""
        name = str(self.options.get("detector", "auto"))
        if name == "auto":
            return "yunet" if self.options.get("detector_model") or is_here("yunet") else "opencv"
        return name

    def _weights(self) -> Iterator[tuple[str, str]]:
        """What was trained or tabled -> its hash."""
        if self._detector() == "yunet":
            model = self.options.get("detector_model")
            yield "yunet", sha256_of(resolve("yunet") if model is None else verify(model, name="yunet"))
        yield from ((name, entry.sha256) for name, entry in sorted(REGISTRY.items()) if entry.shipped)
        package = Path(__file__).parents[1]
        for table in sorted(package.glob("*/tables/*")):
            yield table.relative_to(package).as_posix(), sha256_of(table)
        for number, place in enumerate(self.weights):
            if not place.exists():
                raise ModelNotFound("there are no weights", where=place, hint="Check the path")
            files = sorted(each for each in place.rglob("*") if each.is_file()) if place.is_dir() else [place]
            yield from ((f"{number}/{each.relative_to(place).as_posix()}", sha256_of(each)) for each in files)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
