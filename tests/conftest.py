"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real clips that lies beside the repository on development machines; tests that need it skip without."""
    folder = SHARED / "media"
    if not folder.is_dir():
        pytest.skip("needs the folder of real test clips beside the repository")
    return folder
