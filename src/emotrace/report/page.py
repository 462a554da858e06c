"""Puts a result, its media and the templates together into one page that needs nothing else.

Everything that comes from the file (names, speech) is data: Jinja escapes it, the JSON is escaped once more for its
place in a script element, and a content security policy lets only this page's own script and style run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from emotrace.evidence.observation import LETTERS
from emotrace.files import write_atomically
from emotrace.grace.config import DISCLAIMER
from emotrace.report import words
from emotrace.report.fusion import panel as fusion_panel
from emotrace.report.heat import panels, strongest
from emotrace.report.playback import Playback, prepare
from emotrace.report.stills import key, stills
from emotrace.report.timeline import lay_out, segment_key
from emotrace.results import ABSTAIN_REASONS, Analysis

DEFAULT_EMBED_UNDER_MB = 25.0
_JSON_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""JSON reads these the same, and HTML finds no tag in them."""


def render(
    analysis: Analysis,
    *,
    media: str | Path | None,
    embed_under_mb: float = DEFAULT_EMBED_UNDER_MB,
    redact: bool = False,
    keep_sound: bool = True,
    folder: str | Path | None = None,
) -> str:
    """The report as HTML text.

    Args:
        analysis: What to show.
        media: The file that was analysed; None makes a report without picture and sound.
        embed_under_mb: Larger media is linked, not put into the page; 0 always links.
        redact: Blurs every face that was found, and never links the original. Where that cannot be done, the page
            has no picture and says so.
        keep_sound: Whether a redacted report keeps the voices.
        folder: Where the page will lie, for relative links; None is the media's own folder.

    Raises:
        MediaNotFound: `media` is not a file.
    """
    limit_bytes = int(embed_under_mb * 1_000_000)
    playback = prepare(
        analysis,
        None if media is None else Path(media),
        limit_bytes=limit_bytes,
        redact=redact,
        keep_sound=keep_sound,
        folder=None if folder is None else Path(folder),
    )
    return _page(analysis, playback, None if media is None else Path(media))


def write(
    analysis: Analysis,
    path: str | Path,
    *,
    media: str | Path | None,
    embed_under_mb: float = DEFAULT_EMBED_UNDER_MB,
    redact: bool = False,
    keep_sound: bool = True,
) -> Path:
    """Writes the report to `path`, whole or not at all; the arguments are those of `render`.

    Raises:
        UnwritableOutput: `path` cannot be written; it is as it was before.
        MediaNotFound: `media` is not a file.
    """
    path = Path(path)
    page = render(
        analysis,
        media=media,
        embed_under_mb=embed_under_mb,
        redact=redact,
        keep_sound=keep_sound,
        folder=path.parent,
    )
    return write_atomically(path, page)


def _page(analysis: Analysis, playback: Playback, media: Path | None) -> str:
    maps = panels(analysis)
    fused = any(segment.fusion for person in analysis.persons for segment in (*person.segments, person.overall))
    style = "".join(_asset(f"{name}.css") for name in ("report", *["heat"] * bool(maps), *["fusion"] * fused))
    scripts = [_asset(f"{name}.js") for name in ("heat", "report") if maps or name == "report"]  # the maps listen first
    moments = [moment for panel in maps.values() for moment in panel.moments]
    pictures = stills(media, moments, playback.cover) if media is not None and playback.has_picture else {}
    return (
        _environment()
        .get_template("report.html")
        .render(
            analysis=analysis,
            playback=playback,
            timeline=lay_out(analysis),
            panels=maps,
            heat_most=strongest(analysis),
            stills=Markup(json.dumps(pictures)),
            still_key=key,
            disclaimer=DISCLAIMER,
            policy=_policy(style, scripts, playback),
            style=Markup(style),
            scripts=[Markup(script) for script in scripts],
            fusion_of=fusion_panel,
            raw=Markup(analysis.model_dump_json().translate(_JSON_ESCAPES)),
            abstain_reasons=ABSTAIN_REASONS,
            letters=LETTERS,
            modality_names=words.MODALITY_NAMES,
            segment_kinds=words.SEGMENT_KINDS,
            segment_key=segment_key,
            words=words,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("emotrace.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = words.clock
    environment.filters["period"] = words.period
    environment.filters["share"] = lambda value: f"{100 * value:.0f} %"
    return environment


def _asset(name: str) -> str:
    text = resources.files("emotrace.report").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _policy(style: str, scripts: Sequence[str], playback: Playback) -> str:
    """Only this style and these scripts, and media from where it was put: nothing else is run or fetched."""
    place = "'self' file:" if playback.linked else "data:"
    own = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {own}; "
        f"img-src data: {place if playback.linked else ''}; media-src {place}; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
