"""ELAN's annotation format (EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd): a tier per person and channel."""

from __future__ import annotations

import re
from pathlib import PurePath
from xml.etree import ElementTree

from emotrace.export.channels import CHANNELS, Tier, tiers
from emotrace.export.wording import one_line
from emotrace.results import Analysis

NO_DATE = "1970-01-01T00:00:00+00:00"
"""The format demands a date, and a result knows none: the same result gives the same bytes."""

_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_MIME_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".mpeg": "video/mpeg",
    ".wav": "audio/x-wav",
}  # fmt: skip
"""Those that ELAN knows by name; it looks into any other file itself when that is `unknown`."""
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}
"""The stereotypes that ELAN writes into every file, in its own words."""
_NOT_IN_A_URL = re.compile(r'[%#?"<>\\^`{}|\[\]]')
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_eaf(analysis: Analysis) -> str:
    """A result as an ELAN document.

    The media file is named relative to the document (`./NAME`), so both belong into one folder. Times are whole
    milliseconds; an instant lasts one. What overlaps within a tier goes to another, as `face@P1-2`.
    """
    made = tiers(analysis)
    document = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": f"emotrace {analysis.provenance.emotrace}",
            "DATE": NO_DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            _SCHEMA: "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    _add_header(document, analysis, annotations=sum(len(tier.intervals) for tier in made))
    slots = _add_time_order(document, made)
    _add_tiers(document, made, slots)
    for channel in CHANNELS:
        kind = {"LINGUISTIC_TYPE_ID": channel, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
        ElementTree.SubElement(document, "LINGUISTIC_TYPE", kind)
    for stereotype, description in _CONSTRAINTS.items():
        ElementTree.SubElement(document, "CONSTRAINT", {"STEREOTYPE": stereotype, "DESCRIPTION": description})
    ElementTree.indent(document, space=" ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(document, encoding="unicode")}\n'


def _add_header(document: ElementTree.Element, analysis: Analysis, *, annotations: int) -> None:
    header = ElementTree.SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    name = _xml_text(one_line(analysis.source.name))
    url = "./" + _NOT_IN_A_URL.sub(lambda found: f"%{ord(found[0]):02X}", name)
    kind = _MIME_TYPES.get(PurePath(name).suffix.lower(), "unknown")
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": url, "RELATIVE_MEDIA_URL": url, "MIME_TYPE": kind})
    for key, value in (("sha256", analysis.source.sha256), ("lastUsedAnnotationId", str(annotations))):
        ElementTree.SubElement(header, "PROPERTY", {"NAME": key}).text = value


def _add_time_order(document: ElementTree.Element, made: tuple[Tier, ...]) -> dict[int, str]:
    """Writes one slot per moment, in order. Returns moment in milliseconds -> id."""
    moments = {ms for tier in made for each in tier.intervals for ms in (each.start_ms, each.end_ms)}
    slots = {ms: f"ts{number}" for number, ms in enumerate(sorted(moments), start=1)}
    order = ElementTree.SubElement(document, "TIME_ORDER")
    for ms, slot in slots.items():
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(ms)})
    return slots


def _add_tiers(document: ElementTree.Element, made: tuple[Tier, ...], slots: dict[int, str]) -> None:
    number = 0
    for tier in made:
        names = {"TIER_ID": tier.name, "PARTICIPANT": tier.person, "LINGUISTIC_TYPE_REF": tier.channel}
        element = ElementTree.SubElement(document, "TIER", {key: _xml_text(value) for key, value in names.items()})
        for interval in tier.intervals:
            number += 1
            place = {
                "ANNOTATION_ID": f"a{number}",
                "TIME_SLOT_REF1": slots[interval.start_ms],
                "TIME_SLOT_REF2": slots[interval.end_ms],
            }
            annotation = ElementTree.SubElement(
                ElementTree.SubElement(element, "ANNOTATION"), "ALIGNABLE_ANNOTATION", place
            )
            ElementTree.SubElement(annotation, "ANNOTATION_VALUE").text = _xml_text(interval.text)


def _xml_text(text: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return _NOT_IN_XML.sub("", text)
