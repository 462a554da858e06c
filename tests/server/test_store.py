"""The rows, in SQLite and, where there is one, in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra [serve]")

from emotrace.errors import RequestRefused, UsageError
from emotrace.server.answers import Problem, Summary
from emotrace.server.store import SILENT_SECONDS, Entry, Store

PROBLEM = Problem(code="c", message="m — ü", hint=None)
SUMMARY = Summary(
    duration_seconds=1.5, persons=1, labels=("glad",), confidence=0.5, confidence_basis="none", abstain=None
)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    from emotrace.server.settings import Settings

    database = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    store = Store(Settings(data=tmp_path, database=database).database_url)
    try:
        yield store
    finally:
        store.close()


def entry(number: int, *, owner: str = "me", server: str = "here", created: float | None = None) -> Entry:
    id = f"{time.time_ns():x}"[-16:].rjust(16, "0") + f"{number:016x}"
    made = 1000.0 + number if created is None else created
    return Entry(id=id, owner=owner, server=server, name="ü ☃.mp4", bytes=2**40, media_type="video/mp4", created=made)


def test_an_analysis_goes_its_way(store: Store) -> None:
    one = entry(1)
    store.add(one)
    assert store.get(one.id, "me") == one
    assert store.get(one.id, "you") is None
    assert store.start(one.id)
    assert store.finish(one.id, summary=SUMMARY)
    found = store.get(one.id, "me")
    assert found is not None
    assert (found.state, found.summary, found.error, found.is_finished) == ("done", SUMMARY, None, True)
    assert not store.finish(one.id, error=PROBLEM)  # an end is an end
    assert not store.start(one.id)
    store.delete(one.id, "you")
    assert store.get(one.id, "me") is not None
    store.delete(one.id, "me")
    assert store.get(one.id, "me") is None
    assert not store.finish(one.id, summary=SUMMARY)


def test_history_is_the_owners_and_in_order(store: Store) -> None:
    owner = f"owner {time.time_ns()}"
    entries = [entry(number, owner=owner, created=5000.0 + number // 2) for number in range(6)]
    for each in [*entries, entry(99, owner="somebody else")]:
        store.add(each)
    expected = sorted(entries, key=lambda each: (each.created, each.id), reverse=True)
    first = store.history(owner, limit=4)
    assert first == expected[:4]
    assert store.history(owner, limit=4, before=first[-1]) == expected[4:]


def test_what_was_not_finished_is_failed_with_a_reason(store: Store) -> None:
    server = f"s{time.time_ns()}"
    old, live, late, done = (entry(number, server=server) for number in range(4))
    late = Entry(**{**vars(late), "created": 9000.0})
    other = entry(5, server="elsewhere")
    for each in (old, live, late, done, other):
        store.add(each)
    store.finish(done.id, summary=SUMMARY)
    assert store.fail_unfinished(server, PROBLEM, created_before=8000.0, but={live.id}) == 1
    states = [store.get(each.id, "me").state for each in (old, live, late, done, other)]
    assert states == ["failed", "queued", "queued", "done", "queued"]
    assert store.get(old.id, "me").error == PROBLEM


def test_expired_is_what_was_finished_before(store: Store) -> None:
    one, two = entry(1), entry(2)
    store.add(one)
    store.add(two)
    store.finish(one.id, summary=SUMMARY)
    assert (one.id, "me") in store.expired(time.time() + 1)
    assert (two.id, "me") not in store.expired(time.time() + 1)
    assert (one.id, "me") not in store.expired(time.time() - 60)


def test_a_silent_server_is_named_once_it_has_been_so_for_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = f"a{time.time_ns()}", f"b{time.time_ns()}"
    store.beat(one)
    assert one not in store.beat(two)
    now = time.time()
    monkeypatch.setattr("emotrace.server.store.time.time", lambda: now + SILENT_SECONDS + 1)
    silent = store.beat(two)
    assert one in silent
    assert two not in silent


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://x", "sqlite:////no/such/folder/x.sqlite3"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--database"):
        Store(url)


def test_a_database_that_goes_away_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    import sqlalchemy

    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with store._engine.begin() as connection:
        connection.execute(sqlalchemy.text("DROP TABLE emotrace_analyses"))
    with pytest.raises(RequestRefused) as raised:
        store.get("x", "me")
    assert (raised.value.status, raised.value.code) == (503, "database_away")
    store.close()
