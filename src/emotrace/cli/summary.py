"""An `Analysis` on the terminal: per person and segment, labels, evidence, contradictions and conflict."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from emotrace.cli.console import printable
from emotrace.evidence.observation import EvidenceSheet
from emotrace.priors.video.fused import FusedReading
from emotrace.results import ABSTAIN_REASONS, Analysis, Person, Segment, Verdict

_CHANNEL = {"visual": "face", "vocal": "voice", "verbal": "words", "joint": "readings"}
_BASIS = {"none": "not calibrated", "simulated": "calibrated on simulated clips only"}


def print_summary(analysis: Analysis, console: Console, *, brief: bool = False) -> None:
    """Prints the whole result; texts from the clip are printed as they are, never as markup."""
    for line in _lines(analysis, brief=brief):
        console.print(line, soft_wrap=not console.is_terminal)


def _lines(analysis: Analysis, *, brief: bool) -> Iterator[Text]:
    yield _headline(analysis)
    for note in analysis.notes:
        yield Text(f"note: {note.text}", style="yellow")
    if not analysis.persons:
        yield Text(f"abstained: {ABSTAIN_REASONS[analysis.verdict.abstain or 'no_person']}")
    for person in analysis.persons:
        yield Text()
        yield _person_line(person)
        shown = person.segments if len(person.segments) == 1 else (*person.segments, person.overall)
        for segment in shown:
            yield _segment_line(segment)
            if not brief:
                yield from (Text(f"{'':20}{detail}") for detail in _details(segment))


def _headline(analysis: Analysis) -> Text:
    source = analysis.source
    people = "nobody" if not analysis.persons else ", ".join(person.id for person in analysis.persons)
    line = Text(printable(source.name), style="bold")
    line.append(f"  {source.duration_seconds:.1f} s, {people}", style="not bold")
    for modality, reason in analysis.missing.items():
        line.append(f"; no {_CHANNEL[modality]} ({reason.replace('_', ' ')})", style="not bold dim")
    return line


def _person_line(person: Person) -> Text:
    shown = sum(span.duration_seconds for span in person.presence)
    parts = ([f"seen for {shown:.1f} s"] if person.seen else ["not seen"]) + (
        ["heard"] if person.heard else ["not heard"]
    )
    return Text(f"{person.id} ({', '.join(parts)})", style="bold")


def _segment_line(segment: Segment) -> Text:
    where = "whole clip" if segment.kind == "whole" else str(segment.span)
    line = Text(f"  {where:>16}  ")
    line.append(_verdict_text(segment.verdict))
    if segment.text and segment.kind != "whole":
        line.append(f"  ‘{_shorten(segment.text)}’", style="dim")
    return line


def _verdict_text(verdict: Verdict) -> Text:
    if verdict.abstain is not None:
        text = Text(f"abstains: {ABSTAIN_REASONS[verdict.abstain]}", style="italic")
        if verdict.best_guess:
            text.append(f" (best guess, not a result: {', '.join(verdict.best_guess)})", style="dim")
        return text
    labels = ", ".join(f"{label.word} {label.confidence:.2f}" for label in verdict.labels)
    basis = _BASIS.get(verdict.confidence_basis, verdict.confidence_basis)
    return Text.assemble("perceived ", (labels, "bold green"), (f" (confidence {basis})", "dim"))


def _details(segment: Segment) -> Iterator[str]:
    """What the verdict stands on, what speaks against it, and how far the modalities disagree."""
    verdict, sheet = segment.verdict, segment.sheet
    winner = next((v for v in verdict.verifications if v.number == verdict.winner), None)
    cited = dict.fromkeys(id for label in verdict.labels for id in label.observation_ids)
    yield from (f"+ {_cite(sheet, id)}" for id in cited)
    if winner is not None:
        yield from (f"- {_cite(sheet, id)}" for id in winner.contradicting)
    for rival in verdict.hypotheses:
        if rival.number != verdict.winner:
            yield f"rival reading ({rival.perspective}): {', '.join(rival.labels)}"
    if segment.fusion is not None:
        yield _fused(segment.fusion)
    if verdict.conflict is not None:
        readings = "; ".join(f"{_CHANNEL[m]}: {', '.join(words)}" for m, words in verdict.modality_readings.items())
        yield f"conflict {verdict.conflict:.2f} ({readings})"


def _fused(fusion: FusedReading) -> str:
    """The two likeliest labels, and what moved the first most."""
    first, *others = sorted(fusion.distribution.items(), key=lambda each: -each[1])
    shares = ", ".join(f"{label} {share:.2f}" for label, share in (first, *others[:1]))
    moved = max(fusion.effects, key=lambda part: abs(fusion.effects[part][first[0]]))
    trace = f"trace by {fusion.observer}" if fusion.observer else "prior-free"
    modality, _, written = moved.partition(" ")
    name = f"what was written of the {_CHANNEL[modality]}" if written else _CHANNEL[modality]
    return f"together: {shares} (moved most by {name}, {fusion.effects[moved][first[0]]:+.2f}; {trace})"


def _cite(sheet: EvidenceSheet, id: str) -> str:
    observation = sheet[id]
    return f"[{id}] {observation.text} ({observation.span})"


def _shorten(text: str, longest: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
