"""Many questions at once: the same verdicts, usage and files as one after the other, and one error."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import emotrace
from emotrace.errors import MalformedCompletion, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.answers import AnswerBook, Asking
from emotrace.hydra.asking.replies import KeptReply, Replies
from emotrace.hydra.learning.cases import world_cases
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.reasoners.mllm import MllmReasoner
from emotrace.hydra.together import in_order, verdicts_of
from emotrace.progress import Watch
from emotrace.results import Analysis, Verdict
from emotrace.samples import sample_clip
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.reasoner_answers import reasoned_answer


def uneven_answer(body: Mapping[str, Any]) -> str:
    """The later question is often answered first; which ones take long depends on the question alone."""
    time.sleep(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()[0] % 4 / 50)
    return reasoned_answer(body)


def asking(server: FakeChatServer, kept: Path | None = None, **chosen: Any) -> MllmReasoner:
    http = pytest.importorskip("emotrace.evidence.providers.http", reason="needs the extra [mllm]")
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    model = http.HttpProvider(base_url=server.url, model="made-up", timeout_seconds=20.0)
    return MllmReasoner(model, replies=Replies(kept), **chosen)


@pytest.fixture(scope="module")
def sheets() -> list[EvidenceSheet]:
    different = [case.sheet for case in world_cases("iid") if len(case.sheet.observations) > 1][:10]
    return [*different, different[2]]


def _note_share(shares: list[float], stage: str, share: float) -> None:
    shares.append(share)


def without_seconds(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"usage": verdict.usage.model_copy(update={"seconds": None})})


# --- the threads


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def late(number: int) -> int:
        time.sleep((7 - number) / 100)
        return number

    assert list(in_order(late, range(8), at_once=8)) == list(range(8))
    assert list(in_order(late, [], at_once=8)) == []


def test_so_many_are_at_work_and_no_more() -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def count(number: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1

    list(in_order(count, range(12), at_once=3))
    assert most == 3


def test_one_at_a_time_needs_no_thread() -> None:
    threads = set(in_order(lambda number: threading.current_thread(), range(4), at_once=1))
    assert threads == {threading.current_thread()}
    with pytest.raises(UsageError, match="concurrency"):
        next(in_order(str, [1], at_once=0))


def test_the_first_error_in_order_is_raised_and_nothing_is_begun_after_one() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            assert failed.wait(10.0)  # the later one fails first
            raise ValueError("the first in order")
        if number == 3:
            failed.set()
            raise ValueError("the first in time")
        return number

    results: list[int] = []
    with pytest.raises(ValueError, match="the first in order"):
        results.extend(in_order(work, range(100), at_once=4))
    assert results in ([], [0])
    assert max(begun) < 20
    assert not any(thread.name.endswith("(serve)") for thread in threading.enumerate())


def test_who_stops_reading_stops_what_was_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        return number

    with closing(in_order(work, range(500), at_once=2)) as results:
        assert next(results) == 0
    count = len(begun)
    time.sleep(0.05)
    assert count == len(begun) < 100


def test_an_interrupt_does_not_wait_for_a_reply() -> None:
    program = (
        "import os, time\n"
        "from emotrace.hydra.together import in_order\n"
        "def work(number):\n"
        "    os.write(1, b'%d\\n' % number)\n"  # at once, whatever the other thread writes
        "    time.sleep(60.0)\n"
        "list(in_order(work, range(4), at_once=2))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {b"0\n", b"1\n"}
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, told = process.communicate(timeout=30.0)
    assert time.monotonic() - started < 20.0
    assert b"KeyboardInterrupt" in told


# --- verdicts


def test_verdicts_and_what_each_took_do_not_depend_on_the_concurrency(sheets: list[EvidenceSheet]) -> None:
    told: list[list[Verdict]] = []
    with FakeChatServer(answer=uneven_answer) as server:
        for at_once in (1, 8):
            reasoner = asking(server)
            shares: list[float] = []
            watch = Watch(partial(_note_share, shares))
            judged = verdicts_of(sheets, partial(run, reasoner=reasoner), at_once=at_once, watch=watch)
            told.append([without_seconds(verdict) for verdict in judged])
            assert shares == sorted(shares)
            assert (shares[0], shares[-1]) == (0.0, 1.0)
            assert reasoner.spent.calls == len(server.log) // len(told)
    assert told[0] == told[1]
    assert [(v.usage.calls, v.usage.cached) for v in told[1]] == [(2, 0)] * 10 + [(0, 2)]
    assert {v.usage.prompt_tokens for v in told[1][:10]} == {200}


def test_votes_are_those_of_the_verdict_they_belong_to(sheets: list[EvidenceSheet]) -> None:
    def divided(body: Mapping[str, Any]) -> str:
        """Some sheets get two opinions, others one."""
        text = json.dumps(body["messages"][1])
        of_two = hashlib.sha256(text.encode()).digest()[0] % 2 and body["seed"] == 1
        return uneven_answer(body).replace('"joyful"', '"sad"' if of_two else '"joyful"')

    with FakeChatServer(answer=divided) as server:
        agreements = []
        for at_once in (1, 8):
            mind = asking(server, samples=3, form="json")
            judged = verdicts_of(
                sheets,
                partial(run, reasoner=mind, swap_check=False),
                at_once=at_once,
                watch=Watch(),
            )
            agreements.append([verdict.usage.agreement for verdict in judged])
    assert agreements[0] == agreements[1]
    assert len(set(agreements[0])) > 1


def test_the_reserve_answers_for_the_right_sheets(sheets: list[EvidenceSheet]) -> None:
    marked = {observation.text for observation in sheets[4].observations}

    def answer(body: Mapping[str, Any]) -> str:
        asked = json.dumps(body, ensure_ascii=False)
        return "hello" if all(text in asked for text in marked) else uneven_answer(body)

    reserved = []
    with FakeChatServer(answer=answer) as server:
        for at_once in (1, 8):
            mind = asking(server)
            judged = verdicts_of(
                sheets,
                partial(run, reasoner=mind, reserve=EmbeddedReasoner()),
                at_once=at_once,
                watch=Watch(),
            )
            reserved.append([(verdict.instead_of, verdict.usage.calls) for verdict in judged])
            with pytest.raises(MalformedCompletion):
                verdicts_of(sheets, partial(run, reasoner=mind), at_once=at_once, watch=Watch())
    assert reserved[0] == reserved[1]
    assert reserved[1][4] == ("mllm/made-up@1", 2)
    assert [each for each, _ in reserved[1]].count(None) == len(sheets) - 1


# --- files


def test_the_file_of_answers_is_the_same_and_that_of_replies_is_whole(
    sheets: list[EvidenceSheet], tmp_path: Path
) -> None:
    answers, replies = [], []
    with FakeChatServer(answer=uneven_answer) as server:
        for at_once in (1, 8):
            folder = tmp_path / str(at_once)
            book = AnswerBook(asking(server, folder / "replies.jsonl"), Asking(), folder / "answers.jsonl")
            with closing(book.outcomes(sheets, concurrency=at_once)) as outcomes:
                assert [outcome.sheet_id for outcome in outcomes] == [sheet.sheet_id for sheet in sheets]
            assert book.asked == 10
            lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
            answers.append([_unmeasured(json.loads(line)) for line in lines])
            kept = TraceStore(folder / "replies.jsonl", KeptReply.model_validate)
            replies.append({each.key: each.text for each in kept})
            assert len(kept) == 20
            again = AnswerBook(asking(server, folder / "replies.jsonl"), Asking())
            assert [each.calls for each in again.outcomes(sheets, concurrency=8)] == [2] * 11
            assert again.reasoner.usage().calls == 0  # type: ignore[attr-defined]
    assert answers[0] == answers[1]
    assert replies[0] == replies[1]


def _unmeasured(line: dict[str, Any]) -> dict[str, Any]:
    line["verdict"]["usage"].pop("seconds")
    return {name: value for name, value in line.items() if name != "seconds"}


def test_threads_that_share_a_store_write_whole_lines_and_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotrace.evidence.store.fcntl", None)  # a file's lock is not there on every system
    record = {
        **{"asked_of": "h/m", "step": "reason", "form": "json", "shown": (), "cut_off": False, "refused": False},
        "usage": {"calls": 1},
    }
    replies = Replies(tmp_path / "replies.jsonl")

    def keep(number: int) -> None:
        sheet_id, text = f"{number:064x}", "long " * (number % 7 * 500)
        reply = KeptReply.model_validate({**record, "sheet_id": sheet_id, "question_sha256": "q", "text": text})
        replies.keep(reply)
        found = replies.get(TraceKey(clip_id=sheet_id, provider="h/m", prompt_sha256="q"))
        assert found == reply

    list(in_order(keep, range(200), at_once=8))
    lines = (tmp_path / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["sheet_id"] for line in lines) == [f"{number:064x}" for number in range(200)]


# --- the main job


def test_an_analysis_does_not_depend_on_the_concurrency() -> None:
    made: list[Analysis] = []
    with FakeChatServer(answer=uneven_answer) as server:
        for at_once in (1, 8):
            mind = asking(server)
            made.append(emotrace.analyze(sample_clip(), reasoner=mind, concurrency=at_once))
    one, eight = (_without_waiting(json.loads(each.to_json())) for each in made)
    one["provenance"] = eight["provenance"] = None
    assert json.dumps(one) == json.dumps(eight)
    assert made[0].provenance.settings == made[1].provenance.settings


def _without_waiting(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_waiting(each) for name, each in value.items()}
        return {**kept, "usage": {**value["usage"], "seconds": None}} if value.get("usage") else kept
    return [_without_waiting(each) for each in value] if isinstance(value, list) else value
