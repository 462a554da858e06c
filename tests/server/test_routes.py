"""What comes out: events in order, ranges, exports, and nothing that a browser could be made to run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks

from emotrace.samples import sample_clip
from emotrace.server.answers import Progress
from emotrace.server.events import events
from emotrace.server.routes import EXPORTS
from emotrace.server.store import Entry, Store

if TYPE_CHECKING:
    from conftest import Client


def events_of(text: str) -> list[tuple[str, int, dict[str, object]]]:
    found = []
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


def test_events_tell_the_way_and_end_with_the_end(server: Client, clip: Path) -> None:
    path = server.accepted(clip, rate_hz="30")
    answer = server.get(f"{path}/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found = events_of(answer.text)
    assert [name for name, _, _ in found[:-1]] == ["progress"] * (len(found) - 1)
    assert [number for _, number, _ in found] == [*range(1, len(found) + 1)]
    assert found[-1][0] == "done"
    order = ["queued", "running", "done"]
    states = [order.index(str(data["state"])) for _, _, data in found]
    assert states == sorted(states)
    shares = [data["share"] for _, _, data in found if data.get("stage") == "watching"]
    assert shares == sorted(shares)
    assert server.get(f"{path}/events").text.count("event:") == 1  # of what is finished, the end alone


def test_a_quiet_stretch_is_kept_alive_and_a_deleted_analysis_ends_the_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotrace.server.events.KEEP_ALIVE_SECONDS", 0.15)
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    entry = Entry(id="1" * 32, owner="me", server="x", name="a", bytes=1, media_type="", created=1.0)

    class Quiet:
        def __init__(self) -> None:
            self.left = 8

        def progress_of(self, _id: str) -> Progress | None:
            self.left -= 1
            return Progress(state="running", stage="watching", share=0.5) if self.left > 0 else None

    async def collect() -> list[str]:
        return [text async for text in events(entry, store, Quiet())]

    told = asyncio.run(collect())
    store.close()
    assert told[0].startswith("event: progress\n")
    assert told[-1].startswith("event: cancelled\n")
    assert set(told[1:-1]) == {": still here\n\n"}


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=99999999-", 416, None),
        (None, 200, slice(None)),
    ],
)
def test_media_come_in_ranges(server: Client, done: str, asked: str | None, status: int, part: slice | None) -> None:
    answer = server.get(f"{done}/media", headers={} if asked is None else {"Range": asked})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == sample_clip().read_bytes()[part]
        assert answer.headers["Content-Type"] == "video/mp4"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_the_report_plays_the_media_from_beside_it(server: Client, done: str) -> None:
    answer = server.get(f"{done}/report")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert 'src="media"' in answer.text
    assert len(answer.content) < 2_000_000


@pytest.mark.parametrize("to", [*EXPORTS])
def test_every_export_is_served(server: Client, done: str, to: str) -> None:
    if to == "parquet":
        pytest.importorskip("pyarrow")
    answer = server.get(f"{done}/export?to={to}")
    assert answer.status_code == 200, answer.text
    assert f"talk{EXPORTS[to].ending}" in answer.headers["Content-Disposition"]
    assert answer.content


def test_an_unknown_export_names_the_known_ones(server: Client, done: str) -> None:
    answer = server.get(f"{done}/export?to=word")
    assert answer.status_code == 422
    assert "csv" in server.error(answer)["hint"]


def test_results_follow_the_schema_that_is_served(server: Client, done: str) -> None:
    jsonschema.validate(server.get(f"{done}/result").json(), server.get("/v1/schema").json())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/analyses/0123", 404),
        ("GET", "/v1/analyses/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/analyses/%00", 404),
        ("GET", "/page/..%2fapp.py", 404),
        ("GET", "/page/app.py", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/v1/analyses", 405),
        ("GET", "/v1/analyses?limit=0", 422),
        ("GET", "/v1/analyses?before=abc", 404),
        ("POST", "/v1/session", 422),
    ],
)
def test_every_error_has_the_one_shape(server: Client, method: str, path: str, status: int) -> None:
    answer = server(method, path)
    assert answer.status_code == status
    assert server.error(answer)["message"]


def test_a_page_of_another_site_gets_nothing_done(server: Client, clip: Path, done: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        files = {"file": ("a.mp4", clip.read_bytes())}
        assert server("POST", "/v1/analyses", files=files, headers=headers).status_code == 403
        assert server("DELETE", done, headers=headers).status_code == 403
    answer = server.get("/v1/analyses", headers={"Host": "evil.example"})  # a name that was rebound to 127.0.0.1
    assert (answer.status_code, server.error(answer)["code"]) == (403, "foreign_host")
    assert server.get(done).status_code == 200


def test_answers_forbid_sniffing_framing_and_foreign_scripts(server: Client, done: str) -> None:
    for path in ("/", done, f"{done}/report", f"{done}/media", "/nothing"):
        headers = server.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "server" not in headers
    policy = server.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_request_that_the_description_allows_breaks_the_server(server: Client, done: str) -> None:
    schema = schemathesis.openapi.from_dict(server.get("/openapi.json").json())
    wanted = [checks.not_a_server_error, checks.status_code_conformance, checks.response_schema_conformance]
    tried: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=6,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def fits(case: schemathesis.Case) -> None:
            if case.method == "GET" and "id" in case.path_parameters and len(tried) % 2:
                case.path_parameters["id"] = done.rpartition("/")[2]
            tried.append(case.method)
            answer = case.call(base_url=server.url)
            assert answer.status_code < 500, (case, answer.text)
            case.validate_response(answer, checks=wanted)

        fits()
    assert len(tried) > 50
    assert server.get(done).json()["state"] == "done"
