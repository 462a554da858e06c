"""CMU-MOSI and CMU-MOSEI: opinions of single speakers, sentiment from -3 to 3 (Zadeh et al., 2016 and 2018).

Read in the layout of thuiar/MMSA: see `mmsa.py`. Splits keep the source videos apart.
"""

from __future__ import annotations

from typing import ClassVar

from emotrace.datasets.corpus import Published
from emotrace.datasets.mmsa import SentimentTable


class Mosi(SentimentTable):
    """CMU-MOSI."""

    name: ClassVar[str] = "mosi"
    scheme_name: ClassVar[str] = "mosi"
    language: ClassVar[str] = "en"
    published: ClassVar[Published | None] = Published(
        clips={"train": 1284, "valid": 229, "test": 686}, source="thuiar/MMSA, data sets"
    )


class Mosei(SentimentTable):
    """CMU-MOSEI."""

    name: ClassVar[str] = "mosei"
    scheme_name: ClassVar[str] = "mosei"
    language: ClassVar[str] = "en"
    published: ClassVar[Published | None] = Published(
        clips={"train": 16326, "valid": 1871, "test": 4659}, source="thuiar/MMSA, data sets"
    )
