from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emotrace.errors import LeakError, ReasoningError, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.coldstart.build import ColdStart, HeldOut, Plan, build
from emotrace.hydra.coldstart.filters import ORDER, Filter, LevelOne
from emotrace.hydra.coldstart.sources import Source
from emotrace.hydra.coldstart.teaching import EmbeddedTeacher
from emotrace.hydra.grammar import parse
from emotrace.hydra.learning.cases import Case, Frame, read_demonstrations

MakeSheet = Callable[..., EvidenceSheet]


@pytest.fixture(scope="module")
def made(world_source: Source) -> ColdStart:
    return build(world_source, EmbeddedTeacher())


def test_the_counts_of_the_filters_add_up(made: ColdStart, world_source: Source) -> None:
    manifest = made.manifest
    assert [count.filter for count in manifest.counts] == list(ORDER)
    left = len(world_source.cases)
    for count in manifest.counts:
        assert count.kept + count.dropped == left
        left = count.kept
    assert left == len(made.demonstrations) == len(manifest.clip_ids) == len(manifest.sheet_ids)
    dropped = {count.filter: count.dropped for count in manifest.counts}
    assert dropped[Filter.AGREES] > 0, "gold selects"
    assert left > 40


@pytest.mark.parametrize("k", [0, 2, 4])
def test_the_winner_is_no_more_often_first_than_elsewhere(k: int, world_source: Source, made: ColdStart) -> None:
    found = made if k == 2 else build(world_source, EmbeddedTeacher(), Plan(k=k))
    manifest = found.manifest
    assert all(parse(d.trace, k=k, sheet=d.sheet).trace is not None for d in found.demonstrations)
    if k == 0:
        assert manifest.winner_is_first is None
    elif k > 1:
        assert manifest.winner_is_first == pytest.approx(1 / k, abs=max(0.03, 1 / len(found.demonstrations)))
        assert manifest.winner_is_first_before is not None
        assert manifest.winner_is_first_before > 1 / k + 0.2


def test_the_same_cases_give_the_same_bytes_and_another_seed_another_order(
    made: ColdStart, world_source: Source, tmp_path: Path
) -> None:
    made.write(tmp_path / "one")
    build(world_source, EmbeddedTeacher()).write(tmp_path / "two")
    for name in ("demonstrations.jsonl", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert tuple(read_demonstrations(tmp_path / "one" / "demonstrations.jsonl")) == made.demonstrations
    assert build(world_source, EmbeddedTeacher(), Plan(seed=1)).demonstrations != made.demonstrations


def test_labels_let_the_embedded_teacher_pick_among_its_own_readings(world_source: Source, made: ColdStart) -> None:
    agreement = LevelOne().agreement
    told = build(world_source, EmbeddedTeacher(saw="labels", agreement=agreement))
    assert len(told.demonstrations) > len(made.demonstrations)
    assert {d.teacher_saw for d in told.demonstrations} == {"labels"}
    assert told.manifest.teacher.saw == "labels"
    assert {d.teacher_saw for d in made.demonstrations} == {"nothing"}
    with pytest.raises(UsageError, match="agreement"):
        EmbeddedTeacher(saw="labels")
    with pytest.raises(UsageError, match="K = 0"):
        build(world_source, EmbeddedTeacher(saw="labels", agreement=agreement), Plan(k=0))


def test_gold_reaches_no_blind_teacher(world_source: Source) -> None:
    """Whatever gold says, a blind teacher writes the same; it is handed nothing else."""
    handed: list[tuple[str, ...]] = []

    class Watched(EmbeddedTeacher):
        def tries(self, sheet, k, told=()):
            handed.append(told)
            return super().tries(sheet, k, told)

    build(world_source.first(20), Watched(), Plan(most_share=1.0))
    assert set(handed) == {()}


@pytest.mark.parametrize("same", ["clip", "sheet"])
def test_a_shared_clip_or_sheet_stops_the_build_before_anybody_is_asked(same: str, world_source: Source) -> None:
    class Unasked(EmbeddedTeacher):
        def tries(self, sheet, k, told=()):
            raise AssertionError("was asked")

    case = world_source.cases[3]
    ids = {"clip_ids": frozenset({case.clip_id})} if same == "clip" else {"sheet_ids": frozenset({case.sheet.sheet_id})}
    with pytest.raises(LeakError, match="case 4"):
        build(world_source, Unasked(), Plan(held_out=HeldOut(**ids)))
    assert HeldOut.of([case]) == HeldOut(clip_ids=frozenset({case.clip_id}), sheet_ids=frozenset({case.sheet.sheet_id}))


def test_cases_that_teach_nothing_are_counted_and_not_asked_about(world_source: Source, make_sheet: MakeSheet) -> None:
    cases = world_source.first(40).cases
    empty, unknown = Case(sheet=make_sheet(), gold=("happy",)), replace(cases[0], gold=("xyzzy",))
    source = Source(name="mixed", cases=(empty, *cases, unknown, cases[1], cases[1]))
    found = build(source, EmbeddedTeacher(), Plan(most_share=1.0))
    dropped = {count.filter: count.dropped for count in found.manifest.counts}
    bare = sum(not case.sheet.observations for case in cases)
    assert (dropped[Filter.OBSERVED], dropped[Filter.LABELLED], dropped[Filter.NEW]) == (1 + bare, 1, 2)
    assert found.manifest.tries == len(cases) - bare


def test_nothing_left_is_an_error_that_says_what_went_wrong(make_sheet: MakeSheet) -> None:
    with pytest.raises(ReasoningError, match=r"none of 1 cases.*observed"):
        build(Source(name="bare", cases=(Case(sheet=make_sheet(), gold=("happy",)),)), EmbeddedTeacher())
    with pytest.raises(ReasoningError, match="no case"):
        build(Source(name="none", cases=()), EmbeddedTeacher())
    with pytest.raises(UsageError, match="0 to 4"):
        Plan(k=5)


def test_frames_are_found_from_where_the_demonstrations_lie(joyful_cases: tuple[Case, ...], tmp_path: Path) -> None:
    frame = Frame(path=str(tmp_path / "clips" / "1.jpg"), seconds=0.5)
    source = Source(name="seen", cases=(replace(joyful_cases[0], gold=("disappointed",), frames=(frame,)),))
    build(source, EmbeddedTeacher(), Plan(most_share=1.0)).write(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "demonstrations.jsonl").read_text(encoding="utf-8"))
    assert record["frames"] == [{"path": "../clips/1.jpg", "seconds": 0.5}]
