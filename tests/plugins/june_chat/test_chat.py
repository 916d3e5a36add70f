"""`june chat` against a scripted server: what is sent, what is remembered, what is shown."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from june_cli.store import fetch
from june_cli.testing import FakeEngine, June


class Scripted(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that answers with a count of the messages it was sent."""

    asked: list[dict[str, Any]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for text in ("<think>hm</think>", "I saw ", str(len(body["messages"]))):
            self._send({"choices": [{"delta": {"content": text}}]})
        self._send({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": 4}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        del format, args


@pytest.fixture
def asked(engine: FakeEngine, june: June, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The bodies of all requests; the llm service is the scripted server, and its model needs no fetching."""
    handler = type("Handler", (Scripted,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    engine.addresses["llm"] = server.server_port
    folder = june.home / "m"
    folder.mkdir(parents=True)
    (june.home / "config").mkdir(parents=True)
    (june.home / "config" / "config.toml").write_text(
        f'[profiles.tiny.llm]\npath = "{folder}"\nmodel = "scripted"\n'
    )
    monkeypatch.setattr(fetch, "ensure", lambda *_: pytest.fail("nothing is to be fetched"))
    yield handler.asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_one_answer_is_streamed_without_its_reasoning(june: June, asked: list[dict[str, Any]]) -> None:
    assert june("chat", "Hello?").stdout == "I saw 2\n"
    (body,) = asked
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["max_tokens"] == 512
    assert body["stream"] is True
    assert june.engine.released == ["llm"]


def test_json_keeps_reasoning_apart(june: June, asked: list[dict[str, Any]]) -> None:
    answer = june("chat", "Hello?", "--json", "--system", "Be odd.", "--max-tokens", "9").json
    assert (answer["answer"], answer["reasoning"], answer["tokens"]) == ("I saw 2", "hm", 4)
    assert answer["model"] == "scripted"
    assert asked[0]["messages"][0]["content"] == "Be odd."
    assert asked[0]["max_tokens"] == 9


def test_a_conversation_sends_what_was_said_before(
    june: June, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("One.\n\nTwo.\nThree.\n"))
    assert june("chat").stdout == "I saw 2\nI saw 4\nI saw 6\n"
    contents = [m["content"] for m in asked[2]["messages"][1:]]
    assert contents == ["One.", "I saw 2", "Two.", "I saw 4", "Three."]


def test_history_is_bounded(june: June, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    june.environ["JUNE_CHAT_HISTORY"] = "2"
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\nc\nd\n"))
    june("chat")
    assert [len(body["messages"]) for body in asked] == [2, 4, 4, 4]


def test_no_message_at_all_starts_nothing(
    june: June, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del tmp_path
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    assert june("chat").exit_code == 2
    assert asked == june.engine.launched == []
