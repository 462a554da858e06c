from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import MalformedCompletion, ServerFailed, UsageError
from emotrace.labels.asking import KEY_VARIABLE, LabelAsker


class Server:
    """A chat server on this machine that answers from a script and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, **body})
                outer.headers.append(dict(self.headers))
                content = outer.answers.get(body["messages"][-1]["content"], '{"labels": []}')
                reply = content if isinstance(content, bytes) else _completion(content)
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


def _completion(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def test_a_second_run_asks_nothing_and_no_text_is_kept(server: Server, tmp_path: Path) -> None:
    kept, said = tmp_path / "cache" / "answers.jsonl", []
    server.answers = {"She looks glad.": '{"labels": ["Glad", "glad ", "at  ease", ""]}'}
    asker = LabelAsker(url=server.url, model="m", kept=kept, announce=said.append)
    assert asker.labels("She looks glad.") == ("glad", "at ease")
    assert asker.labels("She looks glad.") == ("glad", "at ease")
    assert asker.labels("A door.") == ()
    assert said == [f"texts are sent to {asker.host} (model m)"]
    assert "She looks" not in kept.read_text(encoding="utf-8")
    again = LabelAsker(url=server.url, model="m", kept=kept, announce=said.append)
    assert again.labels("She looks glad.") == ("glad", "at ease")
    assert (again.asked, len(said), len(server.requests)) == (0, 1, 2)
    LabelAsker(url=server.url, model="another", kept=kept).labels("She looks glad.")
    assert len(server.requests) == 3


def test_what_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    LabelAsker(url=f"{server.url}/", model="m", kept=tmp_path / "k").labels("x")
    (request,) = server.requests
    assert (request["path"], request["temperature"], request["seed"]) == ("/v1/chat/completions", 0, 0)
    assert request["response_format"]["json_schema"]["strict"] is True
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_a_line_that_a_crash_cut_off_is_asked_again(server: Server, tmp_path: Path) -> None:
    kept = tmp_path / "k"
    LabelAsker(url=server.url, model="m", kept=kept).labels("x")
    kept.write_text(kept.read_text()[:-20])
    asker = LabelAsker(url=server.url, model="m", kept=kept)
    asker.labels("x")
    assert asker.asked == 1


@pytest.mark.parametrize("content", ["no json", "[]", '{"labels": "sad"}', '{"labels": [1]}', "null"])
def test_an_answer_outside_the_schema_is_kept_for_reading_and_never_guessed(
    content: str, server: Server, tmp_path: Path
) -> None:
    server.answers = {"x": content}
    asker = LabelAsker(url=server.url, model="m", kept=tmp_path / "k")
    with pytest.raises(MalformedCompletion) as caught:
        asker.labels("x")
    assert caught.value.raw == content
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("reply", [b"", b"{}", b"\xff", b'{"choices": []}'])
def test_a_reply_that_is_no_completion(reply: bytes, server: Server, tmp_path: Path) -> None:
    server.answers = {"x": reply}
    with pytest.raises(ServerFailed, match="no chat completion"):
        LabelAsker(url=server.url, model="m", kept=tmp_path / "k").labels("x")


@pytest.mark.parametrize("status", [401, 500, 302])
def test_a_refusal_and_a_redirect_are_errors(status: int, server: Server, tmp_path: Path) -> None:
    server.status = status
    with pytest.raises(ServerFailed, match=f"answered {status}"):
        LabelAsker(url=server.url, model="m", kept=tmp_path / "k").labels("x")
    assert len(server.requests) == 1


def test_a_server_that_is_not_there(server: Server, tmp_path: Path) -> None:
    server.http.server_close()
    with pytest.raises(ServerFailed, match="cannot be asked"):
        LabelAsker(url=server.url, model="m", kept=tmp_path / "k").labels("x")


@pytest.mark.parametrize("url", ["", "127.0.0.1:1", "file:///etc/passwd", "http://name:word@host/v1"])
def test_an_address_that_is_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        LabelAsker(url=url, model="m", kept=tmp_path / "k")


def test_the_command_says_where_texts_go_and_how_the_answers_differ(server: Server, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from emotrace.cli.main import app

    server.answers = {"She feels happy.": '{"labels": ["happy"]}', "He feels sad.": '{"labels": ["lonely"]}'}
    (tmp_path / "t.csv").write_text("name,openset\na,happy\nb,sad\n")
    (tmp_path / "p.csv").write_text("name,text\na,She feels happy.\nb,He feels sad.\n")
    arguments = ["evaluate", "-p", "emotrace-wheel", "--truth", str(tmp_path / "t.csv"), "--pred"]
    arguments += [str(tmp_path / "p.csv"), "--extract", "llm", "--llm-url", server.url, "--llm-model", "m"]
    arguments += ["--llm-kept", str(tmp_path / "k.jsonl"), "--bootstrap", "0", "--format", "json"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert first.stderr.splitlines()[0] == f"emotrace: texts are sent to {server.url[7:-3]} (model m)"
    answers = json.loads(first.stdout)["details"]["answers"]
    assert (answers["extract"], answers["differs_from_rules"], answers["methods"]) == ("llm", 1, {"statement": 1.0})
    second = CliRunner().invoke(app, arguments)
    assert second.stdout == first.stdout
    assert len(server.requests) == 2
