"""A made-up model as the teacher: what it is told, what is kept, and what becomes of a server that fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai", reason="needs the extra [mllm]")

from emotrace.errors import ReasoningError, ServerFailed
from emotrace.evidence.providers.http import HttpProvider
from emotrace.evidence.providers.retries import Patience
from emotrace.hydra.coldstart.build import Plan, build
from emotrace.hydra.coldstart.filters import Filter
from emotrace.hydra.coldstart.serving import ServedTeacher
from emotrace.hydra.coldstart.sources import Source
from emotrace.hydra.learning.cases import Case
from emotrace.testing.chat_server import FakeChatServer, Fault
from emotrace.testing.reasoner_answers import reasoned_answer

SENTINEL = "xyzzyish"
QUICK = Patience(tries=2, first_seconds=0.01, longest_seconds=0.02)
ANY_SHARE = Plan(most_share=1.0)


def quoting_answer(body: Mapping[str, Any]) -> str:
    """What the made-up model says, with quotes that are on the sheet."""
    return reasoned_answer(body).replace("what stands on the line", "one thing noted at 1.00 s")


def teacher_at(server: FakeChatServer, folder: Path | None = None, **chosen: Any) -> ServedTeacher:
    model = HttpProvider(base_url=server.url, model="made-up", patience=QUICK, timeout_seconds=20.0)
    return ServedTeacher(model, folder=folder, **chosen)


@pytest.fixture
def source(joyful_cases: tuple[Case, ...]) -> Source:
    return Source(name="joyful", cases=tuple(replace(c, gold=("joyful", SENTINEL)) for c in joyful_cases))


@pytest.mark.parametrize("form", ["json", "tags"])
def test_no_word_of_gold_reaches_a_blind_teacher(form: Any, source: Source, tmp_path: Path) -> None:
    with FakeChatServer(answer=quoting_answer) as server:
        made = build(source, teacher_at(server, tmp_path, form=form), ANY_SHARE)
        sent = json.dumps([each.body for each in server.log])
    assert len(made.demonstrations) == len(source.cases)
    assert SENTINEL not in sent
    assert SENTINEL not in (tmp_path / "replies.jsonl").read_text(encoding="utf-8")
    assert {d.teacher_saw for d in made.demonstrations} == {"nothing"}
    assert {d.teacher for d in made.demonstrations} == {"mllm/made-up@1"}
    assert "gold_line_sha256" not in made.manifest.teacher.settings


def test_gold_is_told_where_it_is_wanted_beside_the_sheet_and_every_sample_says_so(source: Source) -> None:
    with FakeChatServer(answer=quoting_answer) as server:
        made = build(source, teacher_at(server, saw="labels"), ANY_SHARE)
        questions = [each.body for each in server.log]
    assert len(questions) == len(source.cases)
    for body in questions:
        *shown, last = [part["text"] for part in body["messages"][1]["content"]]
        assert f"joyful, {SENTINEL}" in last
        assert not any(SENTINEL in text for text in (body["messages"][0]["content"], *shown))
        assert body["model"] == "made-up"
    assert {d.teacher_saw for d in made.demonstrations} == {"labels"}
    assert "gold_line_sha256" in made.manifest.teacher.settings


def test_what_a_told_teacher_said_never_answers_for_a_blind_one(source: Source, tmp_path: Path) -> None:
    with FakeChatServer(answer=quoting_answer) as server:
        build(source, teacher_at(server, tmp_path, saw="labels"), ANY_SHARE)
        asked = len(server.log)
        build(source, teacher_at(server, tmp_path), ANY_SHARE)
        assert len(server.log) == asked + len(source.cases)
        other = Source(name="relabelled", cases=tuple(replace(c, gold=("happy",)) for c in source.cases))
        asked = len(server.log)
        build(other, teacher_at(server, tmp_path, saw="labels"), ANY_SHARE)
        assert len(server.log) == asked + len(source.cases)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_second_run_asks_nothing_twice_and_writes_the_same(concurrency: int, source: Source, tmp_path: Path) -> None:
    plan = Plan(most_share=1.0, concurrency=concurrency)
    with FakeChatServer(answer=quoting_answer) as server:
        first = teacher_at(server, tmp_path)
        made = build(source, first, plan)
        asked = len(server.log)
        second = teacher_at(server, tmp_path)
        again = build(source, second, plan)
        assert len(server.log) == asked
    assert again == made
    assert (first.spent.calls, first.kept, second.spent.calls, second.kept) == (6, 0, 0, 6)


def test_every_try_has_its_own_seed_and_the_first_good_one_is_kept(source: Source) -> None:
    """Only the third seed is right: a blind trajectory is selected by gold, never told it."""

    def sometimes(body: Mapping[str, Any]) -> str:
        text = quoting_answer(body)
        return text if body["seed"] == 12 else text.replace("joyful", "furious")

    with FakeChatServer(answer=sometimes) as server:
        made = build(source, teacher_at(server, seed=10), ANY_SHARE)
        asked = [each.body for each in server.log]
    assert made.manifest.tries == 3 * len(source.cases)
    assert {body["seed"] for body in asked} == {10, 11, 12}
    assert {body["temperature"] for body in asked} == {0.7}
    assert made.manifest.teacher.settings["seeds"] == [10, 11, 12, 13]
    assert len(made.demonstrations) == len(source.cases)


def test_a_case_is_dropped_by_the_filter_that_its_best_try_failed(source: Source) -> None:
    def never(body: Mapping[str, Any]) -> str:
        return "hm" if body["seed"] != 2 else quoting_answer(body).replace("joyful", "furious")

    with FakeChatServer(answer=never) as server, pytest.raises(ReasoningError, match=r"6 failed agrees"):
        build(source, teacher_at(server), ANY_SHARE)


def test_a_teacher_that_babbles_leaves_nothing_and_is_not_asked_again(source: Source, tmp_path: Path) -> None:
    with FakeChatServer(answer=lambda body: "They look happy to me!") as server:
        for _ in range(2):
            with pytest.raises(ReasoningError, match=r"none of 6 cases.*6 failed answered"):
                build(source, teacher_at(server, tmp_path, tries=2), ANY_SHARE)
            assert len(server.log) == 6 * 2 * 2, "two tries, each asked for once more with its faults named"
    assert "They look happy" in (tmp_path / "replies.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_server_that_goes_away_is_an_error_and_what_it_answered_is_kept(
    concurrency: int, source: Source, tmp_path: Path
) -> None:
    replies, plan = tmp_path / "replies.jsonl", Plan(most_share=1.0, concurrency=concurrency)

    answers = count()

    def three(sha256: str, before: int) -> Fault:
        return "answer" if next(answers) < 3 else "cut"

    with FakeChatServer(answer=quoting_answer) as server:
        server.script = three
        with pytest.raises(ServerFailed):
            build(source, teacher_at(server, tmp_path), plan)
        kept = len(replies.read_text(encoding="utf-8").splitlines())
        assert kept >= 2
        server.script = lambda sha256, before: "answer"
        teacher = teacher_at(server, tmp_path)
        made = build(source, teacher, plan)
    assert (teacher.kept, teacher.spent.calls) == (kept, len(source.cases) - kept)
    assert len(made.demonstrations) == len(source.cases)


def test_the_teacher_takes_no_sheet_for_two(source: Source) -> None:
    twice = Source(name="twice", cases=(*source.cases, *source.cases))
    with FakeChatServer(answer=quoting_answer) as server:
        made = build(twice, teacher_at(server), ANY_SHARE)
    assert {count.filter: count.dropped for count in made.manifest.counts}[Filter.NEW] == len(source.cases)
