"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE

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
