"""Traces of a file, matched to clips by the bytes of their media: a clip's name may spell the label, so none is kept.

What cannot be used is counted, never fatal: lines that are no trace, a clip with two, clips of other corpora, refusals.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict

from emotrace.datasets.example import Example
from emotrace.errors import UnknownLabel, UnreadableTrace
from emotrace.evidence.observation import Modality
from emotrace.evidence.reasoning.trace import SECTIONS, ReasoningTrace, Status, Usage
from emotrace.evidence.reliability import reliability
from emotrace.files import sha256_of, write_atomically
from emotrace.labels.label_scheme import LabelScheme
from emotrace.priors.clips import UNLABELLED
from emotrace.priors.corpora.trust import TrustCheck, check_trust
from emotrace.progress import Watch

MAX_LINE_BYTES: Final = 16 * 2**20
"""No trace of one clip is near this size."""


class TraceReport(BaseModel):
    """What became of a file's lines, and of the corpus's clips."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int
    malformed: tuple[int, ...]
    """Numbers of the lines that are no trace of this release."""
    repeated: int
    """Lines about a clip that a later line is about too; the last one counts."""
    of_other_clips: int
    """Traces of clips that are not among these: of another corpus, or left out here."""
    clips: int
    """Clips of the corpus."""
    traced: int
    """Those with a trace."""
    without_media: int
    """Those whose media are not on disk, or are a folder of pictures: no trace can be found for them."""
    providers: tuple[str, ...]
    """`provider/model` of the traces that are used, sorted."""
    status: Mapping[str, Mapping[str, int]]
    """Section -> status (ok, absent, refused, malformed, failed) -> clips."""
    untrusted: Mapping[str, int]
    """Section -> clips where there is an answer, and a hard check of reliability failed."""
    failed_checks: Mapping[str, int]
    """Code of a hard check -> how many answered sections failed it; see `evidence/reliability.py`."""
    mean_rho: Mapping[str, float]
    """Section -> mean reliability where it is above 0."""
    usage: Usage
    """What the traces that are used took: calls, tokens, seconds, cost, as far as the servers said."""

    @property
    def told(self) -> tuple[str, ...]:
        """Lines for the person at the keyboard."""
        lines = [f"traces: {self.traced} of {self.clips} clips have one, by {', '.join(self.providers) or 'nobody'}"]
        odd = {
            "lines that are no trace": len(self.malformed),
            "lines replaced by a later one": self.repeated,
            "traces of other clips": self.of_other_clips,
            "clips whose media are not there to be matched": self.without_media,
        }
        if any(odd.values()):
            lines.append("traces: " + ", ".join(f"{count} {what}" for what, count in odd.items() if count))
        for name in SECTIONS:
            counts = ", ".join(f"{status} {count}" for status, count in self.status[name].items())
            if counts:
                more = f", untrusted {self.untrusted[name]}" if self.untrusted[name] else ""
                lines.append(f"traces, {name}: {counts}{more}; mean rho {self.mean_rho[name]:.2f}")
        return tuple(lines)


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchedTraces:
    """The traces of a corpus's clips, by the clips' names."""

    by_clip: Mapping[str, ReasoningTrace]
    report: TraceReport

    def verdicts(self, examples: Sequence[Example], scheme: LabelScheme) -> Int64[np.ndarray, " clip"]:
        """The label of each clip's joint section as a number, -1 where there is none that can be trusted."""
        return np.array([_verdict(self.by_clip.get(each.id), "joint", scheme) for each in examples], np.int64)

    def trust(
        self, examples: Sequence[Example], labels: Int64[np.ndarray, " clip"], scheme: LabelScheme
    ) -> dict[str, TrustCheck]:
        """Section -> whether its reliability tells right verdicts from wrong ones; those without verdicts are left out.

        Args:
            examples: The clips.
            labels: Numbers into the scheme's labels; clips of -1 are left out.
            scheme: In whose words verdicts are read.
        """
        found: dict[str, TrustCheck] = {}
        for part in SECTIONS:
            said = np.array([_verdict(self.by_clip.get(each.id), part, scheme) for each in examples], np.int64)
            rows = np.flatnonzero((said != UNLABELLED) & (labels != UNLABELLED))
            if len(rows):
                rho = np.array([self.by_clip[examples[int(row)].id].reliability[part].rho for row in rows], np.float64)
                found[part] = check_trust(rho, said[rows] == labels[rows])
        return found


class MediaHashes:
    """SHA-256 of media files, remembered by path, size and time of change.

    Args:
        path: Where they are remembered, as JSON; a damaged file is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, str] = known if isinstance(known, dict) else {}

    def of(self, examples: Sequence[Example], *, watch: Watch | None = None) -> dict[str, str]:
        """Clip -> hash, for those whose media are a file that is there.

        Raises:
            UnwritableOutput: What was found cannot be kept.
        """
        watch, found, count = watch or Watch(), {}, len(self._known)
        for number, example in enumerate(examples):
            watch.progress("hashing", number, len(examples))
            if example.kind != "frames" and example.media.is_file():
                found[example.id] = self._of(example.media)
        watch.progress("hashing", len(examples), len(examples))
        if len(self._known) != count or not self._path.is_file():
            write_atomically(self._path, json.dumps(self._known, indent=0, sort_keys=True) + "\n")
        return found

    def _of(self, media: Path) -> str:
        about = media.stat()
        key = f"{media.absolute()}|{about.st_size}|{about.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = sha256_of(media)
        return self._known[key]


def match_traces(
    path: Path, examples: Sequence[Example], hashes: MediaHashes, *, watch: Watch | None = None
) -> MatchedTraces:
    """The traces of a file that belong to clips.

    Args:
        path: JSON lines, as `emotrace trace` writes them.
        examples: The clips.
        hashes: Of their media.
        watch: Told how far the hashing is.

    Raises:
        UnreadableTrace: The file cannot be read, or none of its traces is of a clip of the corpus.
        UnwritableOutput: The hashes cannot be kept.
    """
    traces, lines, malformed = _read(path)
    sha256 = hashes.of(examples, watch=watch)
    by_clip = {name: traces[sha] for name, sha in sha256.items() if sha in traces}
    used = {trace.clip_sha256 for trace in by_clip.values()}
    if not by_clip:
        raise UnreadableTrace(
            f"none of its {len(traces)} traces is of a clip of this corpus; {len(sha256)} of {len(examples)} clips "
            f"have their media on disk, and {len(malformed)} lines are no traces",
            where=path,
            hint="Traces are matched by the media's bytes: are these the files that were traced?",
        )
    judged = [
        (name, section, trace.reliability[name])
        for trace in by_clip.values()
        for name, section in trace.sections.items()
    ]
    answered = [(name, each) for name, section, each in judged if section.is_ok]
    report = TraceReport(
        lines=lines,
        malformed=tuple(malformed),
        repeated=lines - len(malformed) - len(traces),
        of_other_clips=len(traces.keys() - used),
        clips=len(examples),
        traced=len(by_clip),
        without_media=len(examples) - len(sha256),
        providers=tuple(sorted({f"{trace.provider}/{trace.model}" for trace in by_clip.values()})),
        status={part: _counts([section.status for name, section, _ in judged if name == part]) for part in SECTIONS},
        untrusted={part: sum(each.rho <= 0 for name, each in answered if name == part) for part in SECTIONS},
        failed_checks=dict(sorted(Counter(code for _, each in answered for code in each.failed).items())),
        usage=sum((trace.usage for trace in by_clip.values()), Usage()),
        mean_rho={part: _mean([each.rho for name, each in answered if name == part]) for part in SECTIONS},
    )
    return MatchedTraces(by_clip=by_clip, report=report)


def _read(path: Path) -> tuple[dict[str, ReasoningTrace], int, list[int]]:
    """The last trace of each clip, how many lines there are, and the numbers of those that are none."""
    traces: dict[str, ReasoningTrace] = {}
    malformed: list[int] = []
    lines = number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if not line.strip():
                    continue
                lines += 1
                if (trace := _trace(line)) is None:
                    malformed.append(number)
                else:
                    traces[trace.clip_sha256] = trace
    except OSError as error:
        raise UnreadableTrace(f"cannot be read ({error.strerror})", where=path, hint="Name a .jsonl file") from None
    return traces, lines, malformed


def _trace(line: bytes) -> ReasoningTrace | None:
    """The trace of a line, with its reliability; None where it is none."""
    try:
        trace = ReasoningTrace.from_dict(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if trace.reliability.keys() >= set(SECTIONS):
        return trace
    return trace.model_copy(update={"reliability": reliability(trace)})


def _verdict(trace: ReasoningTrace | None, part: Modality, scheme: LabelScheme) -> int:
    section = None if trace is None else trace.sections[part]
    if trace is None or section is None or not section.is_ok or section.label is None:
        return UNLABELLED
    if trace.reliability[part].rho <= 0:
        return UNLABELLED
    try:
        read = scheme.read(section.label)
    except UnknownLabel:
        return UNLABELLED
    return scheme.labels.index(read[0]) if len(read) == 1 else UNLABELLED


def _counts(statuses: Sequence[Status]) -> dict[str, int]:
    found = Counter(statuses)
    return {status.value: found[status] for status in Status if found[status]}


def _mean(rhos: Sequence[float]) -> float:
    trusted = [rho for rho in rhos if rho > 0]
    return float(np.mean(trusted)) if trusted else 0.0
