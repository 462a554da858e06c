"""Both stages on two processes, as a launcher starts them: they end with the same weights, and one folder."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from emotrace.priors.config import PriorsConfig
from emotrace.priors.model import load_prior_fusion
from emotrace.priors.stages import StageSettings, pretrain, tune
from emotrace.testing.tiny_priors import LABELS, tiny_clips
from emotrace.testing.two_processes import in_two_processes


def digest(model: object) -> str:
    """Of all weights."""
    found = hashlib.sha256()
    for weights in model.state_dict().values():  # type: ignore[attr-defined]
        found.update(weights.cpu().numpy().tobytes())
    return found.hexdigest()


def work(out: Path) -> None:
    """What each process does."""
    config = PriorsConfig(labels=LABELS, dim=8, embedding_dim=8, heads=2)
    settings = StageSettings(epochs=1, tuning_epochs=1, batch_size=16)
    stage_1 = pretrain(tiny_clips(42), tiny_clips(20, first=1000, labelled=False), config, settings, out)
    print(digest(tune(stage_1, config, settings, out / "tuned")))  # noqa: T201 - what the test reads


def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    said = in_two_processes(__file__, tmp_path, seconds=200)
    first, second = (text.split()[-1] for text in said)
    assert first == second == digest(load_prior_fusion(tmp_path / "tuned" / "last"))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
