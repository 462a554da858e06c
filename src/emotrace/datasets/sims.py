"""CH-SIMS and its second version: Chinese film clips, sentiment from -1 to 1, also of each modality alone (ACL 2020).

Read in the layout of thuiar/MMSA: see `mmsa.py`. `label_T`, `label_A` and `label_V` are what a rater said who saw that
modality alone. Clips were dealt to the splits one by one, so films stand on both sides, by the owners' design.
"""

from __future__ import annotations

from typing import ClassVar

from emotrace.datasets.corpus import Published
from emotrace.datasets.mmsa import SentimentTable


class Sims(SentimentTable):
    """CH-SIMS."""

    name: ClassVar[str] = "sims"
    scheme_name: ClassVar[str] = "sims"
    language: ClassVar[str] = "zh"
    groups_apart: ClassVar[bool] = False
    published: ClassVar[Published | None] = Published(
        clips={"train": 1368, "valid": 456, "test": 457}, source="thuiar/MMSA, data sets"
    )


class SimsV2(SentimentTable):
    """CH-SIMS v2, the supervised part."""

    name: ClassVar[str] = "simsv2"
    scheme_name: ClassVar[str] = "sims"
    language: ClassVar[str] = "zh"
    groups_apart: ClassVar[bool] = False
    published: ClassVar[Published | None] = Published(
        clips={"train": 2722, "valid": 647, "test": 1034}, source="thuiar/ch-sims-v2"
    )
