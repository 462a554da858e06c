"""What several tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE
from emotrace.pipeline import analyze
from emotrace.results import Analysis
from emotrace.samples import sample_clip

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real clips beside the repository on development machines; tests that need it skip without."""
    folder = SHARED / "media"
    if not folder.is_dir():
        pytest.skip("needs the folder of real test clips beside the repository")
    return folder


@pytest.fixture(scope="session")
def official_folder() -> Path:
    """The user's copy of the official wheel tables, from the environment or beside the repository."""
    folder = Path(os.environ.get(ENVIRONMENT_VARIABLE) or SHARED / "data" / "ovmer_tables")
    if not folder.is_dir():
        pytest.skip(f"needs a copy of the official wheel tables in {ENVIRONMENT_VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def grace_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small GRACE, trained for a few steps on drawn faces, with their card."""
    pytest.importorskip("torch", reason="needs the extra [train]")
    from emotrace.testing.tiny_grace import write_tiny_grace

    return write_tiny_grace(tmp_path_factory.mktemp("grace") / "run")


@pytest.fixture(scope="session")
def read_talk(grace_weights: Path) -> Analysis:
    """The sample clip, read by the small GRACE with the words typical of its likeliest label."""
    from emotrace.grace.video.system import GraceSystem

    return analyze(sample_clip(), systems=[GraceSystem.load(grace_weights, class_words=True)])


@pytest.fixture(scope="session")
def priors_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network of priors on the embedded encoders, trained on noise, with their card."""
    pytest.importorskip("torch", reason="needs the extra [train]")
    from emotrace.testing.trained_priors import write_tiny_priors

    return write_tiny_priors(tmp_path_factory.mktemp("priors") / "run")


@pytest.fixture(scope="session")
def fused_talk(priors_weights: Path) -> Analysis:
    """The sample clip, read by the small network with the embedded observers' traces."""
    from emotrace.priors.video.system import PriorsSystem

    return analyze(sample_clip(), systems=[PriorsSystem.load(priors_weights)])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread: models of a few thousand numbers gain nothing from more, and lose on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
