"""How a shipped network is run: ONNX Runtime on one thread, opened again in every process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.models import resolve


class Network:
    """A network in an ONNX file, opened when it is first run.

    One thread: the heads are small, and the same input gives the same bytes whatever machine it runs beside.

    Args:
        name: Of shipped weights, verified by their SHA-256.
        path: Another ONNX file of the same inputs and outputs in their place.

    Raises:
        ModelNotFound: The shipped file is not there.
        ChecksumMismatch: It is not the one that was shipped.
    """

    def __init__(self, name: str, path: Path | None = None) -> None:
        self._name, self._path = name, path
        self._file = resolve(name) if path is None else path
        self._session: Any = None

    def __reduce__(self) -> tuple[type[Network], tuple[str, Path | None]]:
        """Copies and other processes open the file anew: the session itself cannot travel."""
        return type(self), (self._name, self._path)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs for the named inputs."""
        if self._session is None:
            self._session = self._opened()
        return [np.asarray(array) for array in self._session.run(list(outputs), dict(inputs))]

    def _opened(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(self._file, options, providers=["CPUExecutionProvider"])
