"""What is kept, for whom, and for how long."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emotrace.errors import UsageError
from emotrace.server.service import opened
from emotrace.server.settings import Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Client, Start

ONE, OTHER = "a-key-of-one-user-0123", "a-key-of-another-0123"


def test_two_keys_do_not_see_each_other(
    start: Start, connect: Callable[..., Client], clip: Path, tmp_path: Path
) -> None:
    with start(tmp_path, keys=(ONE, OTHER), key=ONE) as one:
        other, nobody, wrong = connect(one.url, OTHER), connect(one.url), connect(one.url, ONE + "x")
        path = one.accepted(clip)
        assert one.finished(path)["state"] == "done"
        parts = ("", "/events", "/result", "/report", "/media", "/export?to=csv")
        for part in parts:
            assert one.get(path + part).status_code == 200
            answer = other.get(path + part)
            assert (answer.status_code, other.error(answer)["code"]) == (404, "not_found")
            for stranger in (nobody, wrong):
                assert stranger.get(path + part).status_code == 401
        assert other("DELETE", path).status_code == 404
        assert nobody("DELETE", path).status_code == 401
        assert other.get(f"/v1/analyses?before={path.rpartition('/')[2]}").status_code == 404
        assert other.get("/v1/analyses").json() == {"analyses": [], "next": None}
        assert nobody.get("/v1/analyses").status_code == nobody.send(clip).status_code == 401
        assert [each["links"]["self"] for each in one.get("/v1/analyses").json()["analyses"]] == [path]
        for free in ("/", "/healthz", "/v1/about", "/v1/schema", "/openapi.json", "/page/style.css"):
            assert nobody.get(free).status_code == 200
        for client in (other, nobody, wrong):
            client.close()


def test_the_page_gets_a_cookie_for_a_key_that_is_not_the_key(
    start: Start, connect: Callable[..., Client], tmp_path: Path
) -> None:
    with start(tmp_path, keys=(ONE, OTHER)) as page:
        assert page("POST", "/v1/session", json={"key": "wrong"}).status_code == 401
        assert page.get("/v1/analyses").status_code == 401
        answer = page("POST", "/v1/session", json={"key": ONE})
        cookie = answer.headers["Set-Cookie"]
        assert ONE not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert page.get("/v1/analyses").status_code == 200
        page("DELETE", "/v1/session")
        assert page.get("/v1/analyses").status_code == 401


def test_a_restart_keeps_what_is_finished_and_fails_what_is_not(
    start: Start, clip: Path, busy_clip: Path, tmp_path: Path
) -> None:
    limits = Limits()
    with start(tmp_path, limits=limits) as client:
        done = client.accepted(clip)
        before = client.finished(done)
        running = client.accepted(busy_clip, rate_hz="30")
        waiting = client.accepted(clip)
    left = tmp_path / "incoming" / next((tmp_path / "incoming").iterdir()).name / "half"
    left.mkdir()
    (left / "media").write_bytes(b"half a file")
    with start(tmp_path, limits=limits) as client:
        assert client.get(done).json() == before
        assert client.get(f"{done}/report").status_code == 200
        for path in (running, waiting):
            status = client.get(path).json()
            assert (status["state"], status["error"]["code"]) == ("failed", "server_stopped")
        assert not left.exists()
        assert client("DELETE", running).status_code == 204
        assert {path.name for path in (tmp_path / "analyses").iterdir()} == {
            each["id"] for each in client.get("/v1/analyses").json()["analyses"]
        }


def test_what_has_been_kept_long_enough_is_deleted_with_its_files(start: Start, clip: Path, tmp_path: Path) -> None:
    with start(tmp_path, limits=replace(Limits(), keep_hours=2.0 / 3600)) as client:
        path = client.accepted(clip)
        status = client.finished(path)
        assert status["expires"] > status["finished"]
        deadline = time.monotonic() + 15
        while client.get(path).status_code != 404:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [*(tmp_path / "analyses").iterdir()] == []


def test_history_comes_in_pages_the_latest_first(server: Client, clip: Path) -> None:
    ids = []
    for number in range(3):
        path = server.accepted(clip, name=f"{number}.mp4")
        ids.append(path.rpartition("/")[2])
        server.finished(path)
    seen, place = [], ""
    while place is not None:
        page = server.get(f"/v1/analyses?limit=2{place and '&before=' + place}").json()
        seen += [each["id"] for each in page["analyses"]]
        assert len(page["analyses"]) <= 2
        place = page["next"]
    assert len(set(seen)) == len(seen)
    assert [id for id in seen if id in ids] == ids[::-1]


def test_two_servers_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, name="one")
    with opened(settings):
        with pytest.raises(UsageError, match="works in this folder already"), opened(settings):
            pass
        with opened(replace(settings, name="two")):
            pass


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_servers_that_share_a_database_answer_for_each_other(
    start: Start, clip: Path, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    database = None if kind == "sqlite" else request.getfixturevalue("postgres")
    shared = {"database": database, "limits": Limits()}
    with start(tmp_path, name="one", **shared) as one, start(tmp_path, name="two", **shared) as two:
        path = one.accepted(clip)
        assert two.get(f"{path}/events").text.endswith('data: {"state":"done"}\n\n')
        assert two.get(path).json() == one.get(path).json()
        assert two.get(f"{path}/media").content == clip.read_bytes()
        assert two("DELETE", path).status_code == 204
        assert one.get(path).status_code == 404
