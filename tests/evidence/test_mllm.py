"""Many clips through failing servers, budgets, kills and restarts: each is asked once, in whatever order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emotrace.errors import BudgetSpent, ServerFailed
from emotrace.evidence.mllm import Observer, ToTrace, asked_settings, trace, trace_clips
from emotrace.evidence.providers.embedded import EmbeddedProvider
from emotrace.evidence.providers.http import Capabilities, HttpProvider, Prices
from emotrace.evidence.providers.retries import Patience
from emotrace.evidence.providers.scripted import ScriptedProvider
from emotrace.evidence.reasoning.journal import Journal
from emotrace.evidence.reasoning.trace import ReasoningTrace, Settings, Status, Usage
from emotrace.evidence.store import TraceStore
from emotrace.media.clip import Clip
from emotrace.samples import sample_clip
from emotrace.testing.chat_server import FakeChatServer, Fault
from emotrace.testing.trace_answers import script

pytest.importorskip("openai", reason="needs the extra [mllm]")

LABELS = ("happy", "sad")
QUICK = Patience(tries=4, first_seconds=0.001, longest_seconds=0.01)
EVERYTHING = Capabilities(vision=True, audio=True, json_mode="schema")


def store_at(path: Path) -> TraceStore[ReasoningTrace]:
    return TraceStore(path, ReasoningTrace.from_dict)


def observer_of(server: FakeChatServer, out: Path, *, prices: Prices | None = None, **options: float) -> Observer:
    provider = HttpProvider(
        base_url=server.url, model="fake", patience=QUICK, prices=prices, capabilities=EVERYTHING, timeout_seconds=5.0
    )
    settings = asked_settings(labels=LABELS, calls="one")
    return Observer(provider, settings=settings, journal=Journal.beside(out), check=False, **options)


def without_seconds(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**row, "usage": {**row["usage"], "seconds": None}} for row in rows]


def mixed(sha256: str, before: int) -> Fault:
    """Every third request has a fault first; it depends on the request alone."""
    faults: tuple[Fault, ...] = ("busy", "rate_limit", "cut")
    return faults[int(sha256[:2], 16) % 3] if int(sha256[2:4], 16) % 3 == 0 and before == 0 else "answer"


RUN = """
import sys
from pathlib import Path
from emotrace.evidence.mllm import Observer, ToTrace, asked_settings, trace_clips
from emotrace.evidence.providers.http import Capabilities, HttpProvider
from emotrace.evidence.providers.retries import Patience
from emotrace.evidence.reasoning.journal import Journal
from emotrace.evidence.reasoning.trace import ReasoningTrace
from emotrace.evidence.store import TraceStore
url, folder, out, order = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
provider = HttpProvider(
    base_url=url, model="fake", patience=Patience(tries=4, first_seconds=0.001, longest_seconds=0.01),
    capabilities=Capabilities(vision=True, audio=True, json_mode="schema"), timeout_seconds=60,
)
observer = Observer(
    provider, settings=asked_settings(labels=("happy", "sad"), calls="one"), journal=Journal.beside(out), check=False
)
clips = sorted(folder.rglob("*.wav"), reverse=order == "backwards")
made = trace_clips([ToTrace(path=c) for c in clips], observer, TraceStore(out, ReasoningTrace.from_dict), concurrency=4)
print(made.written, made.kept, len(made.unread), len(made.unanswered))
"""


def start(url: str, folder: Path, out: Path, order: str = "forwards") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, url, str(folder), str(out), order]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 needs POSIX")
def test_hundreds_of_clips_through_a_kill_are_each_asked_once(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    count, before_kill = 150, 60
    folder = tmp_path / "clips"
    for number in range(count):
        inside = folder / f"{number // 50:02}"  # a full folder is looked through for every clip's subtitles
        inside.mkdir(parents=True, exist_ok=True)
        write_wav(inside / f"{number:04}.wav", number)
    out, other = tmp_path / "traces.jsonl", tmp_path / "other.jsonl"
    with FakeChatServer(mixed, hold_after=before_kill) as server:
        run = start(server.url, folder, out)
        journal = tmp_path / "traces.replies.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (
            journal.is_file() and journal.read_bytes().count(b"\n") == before_kill
        ):
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert sum(server.answered.values()) == before_kill
        server.hold_after = None
        with out.open("ab") as file:
            file.write(b'{"schema_version": "emotr')  # what a kill may leave behind
        printed, _ = start(server.url, folder, out).communicate(timeout=120)
        assert set(server.answered.values()) == {1}
        assert len(server.answered) == count
    assert sum(map(int, printed.split()[:2])) == count
    traces = {trace.clip_sha256: trace for trace in store_at(out)}
    assert len(traces) == count
    assert len(out.read_bytes().splitlines()) == count
    for path in sorted(folder.rglob("*.wav"))[200:]:
        path.unlink()
    with FakeChatServer(mixed) as server:  # some of them in another order, without a kill: the same traces
        start(server.url, folder, other, "backwards").communicate(timeout=120)
    assert without_seconds(other)[::-1] == without_seconds(out)[:200]


def test_a_reply_is_kept_before_the_next_question(small_clip: Path, tmp_path: Path) -> None:
    answers, clip = script(), Clip.open(small_clip)
    asked: list[str] = []

    def fails_at_joint(request: object) -> str:
        asked.append(request.call)  # type: ignore[attr-defined]
        if request.call == "joint" and asked.count("joint") == 1:  # type: ignore[attr-defined]
            raise ServerFailed("gone")
        return answers[request.call]  # type: ignore[attr-defined]

    path = tmp_path / "t.replies.jsonl"
    for _ in range(2):
        observer = Observer(
            ScriptedProvider(fails_at_joint), settings=asked_settings(labels=LABELS), journal=Journal(path), check=False
        )
        try:
            made = observer.trace(clip)
        except ServerFailed:
            assert asked == ["visual", "vocal", "verbal", "joint"]
    assert asked == ["visual", "vocal", "verbal", "joint", "joint"]
    assert made.usage.calls == 4
    assert all(section.is_ok for section in made.sections.values())


def test_a_budget_stops_the_run_and_a_later_one_goes_on(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    clips = [ToTrace(path=write_wav(tmp_path / f"{k}.wav", k)) for k in range(6)]
    out = tmp_path / "traces.jsonl"
    price = Prices(prompt=10_000.0, completion=0.0)  # 100 tokens: 1 each
    with FakeChatServer() as server:
        with pytest.raises(BudgetSpent):
            trace_clips(clips, observer_of(server, out, prices=price, most_cost=3.0), store_at(out), concurrency=1)
        assert sum(server.answered.values()) == 3
        assert Journal.beside(out).cost == pytest.approx(3.0)
        outcome = trace_clips(clips, observer_of(server, out, prices=price), store_at(out), concurrency=1)
        assert set(server.answered.values()) == {1}
    assert len(store_at(out)) == 6
    assert outcome.kept + outcome.written == 6


def test_a_server_that_is_gone_ends_the_run(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    clips = [ToTrace(path=write_wav(tmp_path / f"{k}.wav", k)) for k in range(12)]
    out = tmp_path / "traces.jsonl"
    with FakeChatServer(lambda sha256, before: "busy") as server:
        with pytest.raises(ServerFailed, match="4 tries"):
            trace_clips(clips, observer_of(server, out), store_at(out), concurrency=2)
        server.script = lambda sha256, before: "answer"
        assert trace_clips(clips, observer_of(server, out), store_at(out)).written == 12


def test_a_clip_that_cannot_be_read_and_a_double_stop_nobody(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    write_wav(tmp_path / "a.wav", 1)
    (tmp_path / "b.wav").write_bytes(b"")
    write_wav(tmp_path / "c.wav", 1)  # the same bytes as a
    write_wav(tmp_path / "d.wav", 2)
    clips = [ToTrace(path=path) for path in sorted(tmp_path.glob("*.wav"))]
    outcome = trace_clips(clips, Observer(EmbeddedProvider()), store_at(tmp_path / "t.jsonl"))
    assert (outcome.written, outcome.kept) == (2, 1)
    assert [path.name for path, _ in outcome.unread] == ["b.wav"]


def test_refusals_and_broken_answers_are_statuses(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    clip = Clip.open(write_wav(tmp_path / "a.wav", 7))
    faults: dict[Fault, Status] = {
        "refusal": Status.REFUSED,
        "bad_json": Status.MALFORMED,
        "not_taken": Status.FAILED,
    }
    for fault, status in faults.items():
        with FakeChatServer(lambda sha256, before, fault=fault: fault) as server:
            made = observer_of(server, tmp_path / f"{fault}.jsonl").trace(clip)
        assert made.vocal.status is status
        assert made.reliability["vocal"].rho == 0.0
        assert made.visual.status is Status.ABSENT or made.visual.status is status


def test_what_a_server_cannot_take_is_found_out_once(small_clip: Path, tmp_path: Path) -> None:
    with FakeChatServer(takes_sound=False, takes_schema=False, answer=lambda body: script()["visual"]) as server:
        provider = HttpProvider(base_url=server.url, model="fake", patience=QUICK)
        observer = Observer(provider, settings=asked_settings(labels=LABELS), check=False)
        made = observer.trace(Clip.open(small_clip))
        assert provider.capabilities() == Capabilities(vision=True, audio=False, json_mode="object")
        assert provider.senses() == ("pictures", "words")
        kinds = {part["type"] for each in server.log for part in each.body["messages"][1]["content"]}
    assert kinds == {"text", "image_url"}
    assert made.vocal.status is Status.ABSENT
    assert made.vocal.reason == "the observer takes in no sound"
    assert made.capabilities == {"pictures": True, "sound": False, "words": True}


def test_a_slow_answer_is_asked_for_again(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    clip = Clip.open(write_wav(tmp_path / "a.wav", 3))
    with FakeChatServer(lambda sha256, before: "answer" if before else "slow", slow_seconds=1.0) as server:
        provider = HttpProvider(
            base_url=server.url, model="fake", patience=QUICK, capabilities=EVERYTHING, timeout_seconds=0.3
        )
        made = Observer(provider, settings=asked_settings(calls="one"), check=False).trace(clip)
    assert made.vocal.is_ok
    assert len(server.log) == 2


def test_samples_give_self_consistency(small_clip: Path) -> None:
    provider = ScriptedProvider(script())
    made = trace(Clip.open(small_clip), provider, settings=asked_settings(labels=LABELS, samples=3))
    assert len(provider.asked) == 12
    assert {request.temperature for request in provider.asked} == {0.0, 0.7}
    assert len(made.visual.samples) == 2
    assert made.reliability["visual"].soft["self"] == pytest.approx(1.0)


def test_the_embedded_observers_repeat_to_the_byte(tmp_path: Path) -> None:
    clip = Clip.open(sample_clip())
    made = [trace(clip, EmbeddedProvider()) for _ in range(2)]
    assert made[0].model_dump_json() == made[1].model_dump_json()
    assert made[0].usage == Usage()
    assert {part: section.status for part, section in made[0].sections.items()} == dict.fromkeys(
        ("visual", "vocal", "verbal", "joint"), Status.OK
    )
    sheet = made[0].to_sheet()
    assert len(sheet.observations) == sum(len(section.observations) for section in made[0].sections.values())
    assert "relieved" in sheet["T3"].text


def test_a_trace_goes_through_the_store_and_back(small_clip: Path, tmp_path: Path) -> None:
    made = trace(Clip.open(small_clip), ScriptedProvider(script()), settings=asked_settings(labels=LABELS))
    store = store_at(tmp_path / "t.jsonl")
    assert store.append(made)
    assert not store.append(made)
    assert list(store_at(store.path)) == [made]
    assert "happy_0042" not in store.path.read_text()
    with pytest.raises(ValueError, match="gold"):
        ReasoningTrace.from_dict({**made.to_dict(), "gold": "happy"})


def test_settings_are_hashed_by_value() -> None:
    assert Settings(fps=8, max_frames=9, longest_pixels=5).sha256 != asked_settings().sha256
    assert asked_settings().sha256 == asked_settings(fps=8).sha256
