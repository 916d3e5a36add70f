"""What people and Telegram see of the bot, over real HTTP with the real client library."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from june_cli.testing import June
from tests.botapi import TOKEN, Fault, Rate
from tests.botmarkup import units
from tests.e2e.bots.conftest import Bot


def test_a_text_is_answered_as_a_reply_in_telegrams_markup_and_commands_are_registered(bot: Bot) -> None:
    bot.echo.answers["markdown"] = "# Title\n\n**bold** & `code` <x>\n\n- one\n\n```python\nprint(1)\n```"
    number = bot.start().api.says(7, "markdown")
    (sent,) = bot.api.wait(7, 1)
    assert sent["answers"] == number
    assert "<b>Title</b>" in sent["source"]
    assert '<pre><code class="language-python">print(1)</code></pre>' in sent["source"]
    assert "bold & code <x>" in sent["text"]
    assert {one["command"] for one in bot.api.commands} >= {"start", "help", "voice", "cancel", "retry"}
    bot.until_said("ready")
    assert TOKEN not in bot.log
    assert "markdown" not in bot.log
    assert bot.stop() == 0


def test_a_long_answer_is_split_and_a_very_long_one_comes_as_a_file_too(bot: Bot) -> None:
    bot.echo.answers["long"] = "A sentence with 🎉 in it. " * 300
    bot.echo.answers["endless"] = "word " * 6000
    bot.start().api.says(7, "long")
    parts = bot.api.wait(7, 2)
    assert all(units(part["text"]) <= 4096 for part in parts)
    assert "".join(p["text"] for p in parts).count("🎉") == 300
    bot.api.says(8, "endless")
    first, file = bot.api.wait(8, 2)
    assert first["text"].endswith("(the whole answer is in the file)")
    key = file["document"]["file_id"].removeprefix("id-")
    assert bot.api.files[key].decode().count("word") == 6000


def test_429_waits_as_told_and_keeps_no_other_chat(bot: Bot) -> None:
    bot.start().api.says(9, "/start")
    bot.api.wait(9, 1)
    bot.api.faults.append(
        Fault("sendMessage", 429, "Too Many Requests: retry after 3", retry_after=3, chat=7)
    )
    began = time.monotonic()
    bot.api.says(7, "slow")
    bot.api.says(8, "fast")
    bot.api.wait(8, 1)
    assert time.monotonic() - began < 2.5
    bot.api.wait(7, 1)
    assert time.monotonic() - began > 2.9
    assert "june_bot_too_many_requests_total 1.0" in bot.get("/metrics")


def test_the_final_text_arrives_whatever_the_platform_refuses_on_the_way(bot: Bot) -> None:
    bot.echo.word_s = 0.05
    bot.api.rate = Rate(burst=2, per_s=1.0)
    text = " ".join(f"word{n}" for n in range(60))
    bot.start().api.says(7, text)
    bot.api.until(lambda: bot.api.texts(7) == [f"echo: {text}"])
    assert bot.api.sent(7)[0]["edits"] >= 1


def test_an_answer_grows_on_the_screen_and_edits_are_throttled(bot: Bot) -> None:
    bot.echo.word_s = 0.05
    bot.start().api.says(7, " ".join(f"word{n}" for n in range(80)))
    bot.api.until(lambda: bool(bot.api.texts(7)) and bot.api.texts(7)[0].endswith("word79"))
    edits = [at for at, method, _ in bot.api.calls if method == "editMessageText"]
    assert len(edits) >= 2
    assert all(later - earlier > 0.8 for earlier, later in pairwise(edits[:-1]))
    assert "sendChatAction" in [method for _, method, _ in bot.api.calls]


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText"])
def test_a_message_whose_answer_was_lost_on_the_way_is_not_sent_again(bot: Bot, method: str) -> None:
    bot.echo.word_s = 0.05 if method == "editMessageText" else 0.0
    bot.start().api.says(7, "/start")
    bot.api.wait(7, 1)
    bot.api.faults.append(Fault(method, accepted=True))
    bot.api.says(7, " ".join(["hello"] * 40))
    bot.api.until(lambda: bot.api.texts(7)[-1].endswith("hello") and not bot.api.faults)
    time.sleep(2.5)
    assert len(bot.api.sent(7)) == 2


def test_markup_that_is_refused_is_sent_as_it_was_written(bot: Bot) -> None:
    bot.echo.answers["bold"] = "**bold** & <plain>"
    bot.start().api.faults.append(Fault("sendMessage", 400, "Bad Request: can't parse entities: no"))
    bot.api.says(7, "bold")
    assert bot.api.wait(7, 1)[0]["text"] == "**bold** & <plain>"


def test_a_chat_that_is_closed_is_let_be(bot: Bot) -> None:
    bot.start().api.says(7, "/start")
    bot.api.wait(7, 1)
    bot.api.blocked.add(7)
    bot.api.says(7, "hello")
    bot.until_said("the chat is closed")
    time.sleep(0.5)
    assert len(bot.api.called("sendMessage")) == 2


def test_a_wrong_token_ends_the_bot_with_a_sentence(bot: Bot) -> None:
    bot.api.token = "100001:another"  # noqa: S105
    bot.start()
    assert bot.ended() == 2
    assert "does not accept the token" in bot.log
    assert TOKEN not in bot.log


def test_the_older_of_two_instances_ends_and_says_why(bot: Bot, tmp_path: Path) -> None:
    bot.start().api.says(7, "/start")
    bot.api.wait(7, 1)
    (tmp_path / "two").mkdir()
    other = Bot(bot.api, bot.echo, tmp_path / "two").start()
    try:
        assert bot.ended(40.0) == 1
        assert "another program receives this bot's messages" in bot.log
        other.api.says(8, "still there?")
        bot.api.wait(8, 1)
    finally:
        other.kill()


def test_strangers_learn_their_id_once_and_their_words_are_not_kept(bot: Bot) -> None:
    bot.start().api.says(500, "my secret")
    assert "Your id is 500" in bot.api.wait(500, 1)[0]["text"]
    bot.api.says(500, "hello?")
    bot.api.says(7, "hello")
    bot.api.wait(7, 1)
    assert len(bot.api.sent(500)) == 1
    assert bot.stop() == 0
    assert b"my secret" not in (bot.ledger / "ledger.sqlite3").read_bytes()


def test_in_a_group_only_those_who_mean_the_bot_are_answered(bot: Bot) -> None:
    bot.start().api.says(-5, "hello everybody", user=7)
    bot.api.says(-5, "@june_bot hello", user=500)
    bot.api.says(-5, "/help@other_bot", user=7)
    meant = [
        bot.api.says(-5, "@june_bot hello you", user=7),
        bot.api.says(-5, "/id", user=7),
    ]
    bot.api.wait(-5, 2)
    mine = bot.api.sent(-5)[0]
    meant.append(bot.api.says(-5, "and again", user=7, reply_to_message=mine))
    sent = bot.api.wait(-5, 3)
    assert sorted(one["answers"] for one in sent) == meant
    assert "echo: hello you" in [one["text"] for one in sent]


def test_cancel_stops_the_answer_and_the_next_question_is_answered(bot: Bot) -> None:
    bot.echo.word_s = 0.1
    bot.start().api.says(7, " ".join(f"w{n}" for n in range(200)))
    bot.api.wait(7, 1)
    bot.api.says(7, "/cancel")
    bot.api.until(lambda: "Stopped." in bot.api.texts(7))
    bot.api.until(lambda: any(text.endswith("(stopped)") for text in bot.api.texts(7)))
    bot.echo.word_s = 0.0
    bot.api.says(7, "next")
    bot.api.until(lambda: bot.api.texts(7)[-1] == "echo: next")


def test_a_new_message_interrupts_where_that_was_chosen(bot: Bot) -> None:
    bot.echo.word_s = 0.1
    bot.start(busy="interrupt").api.says(7, " ".join(f"w{n}" for n in range(200)))
    bot.api.wait(7, 1)
    bot.echo.word_s = 0.0
    bot.api.says(7, "no, this")
    bot.api.until(lambda: bot.api.texts(7)[-1] == "echo: no, this")
    assert bot.api.texts(7)[0].endswith("(stopped)")


def test_too_many_messages_are_told_to_come_again(bot: Bot) -> None:
    bot.echo.word_s = 0.3
    bot.start(queue=2)
    for number in range(5):
        bot.api.says(7, f"message {number}")
    sent = bot.api.wait(7, 5)
    assert sum("try again in a moment" in one["text"] for one in sent) >= 2
    assert len({one["answers"] for one in sent}) == 5


def test_a_model_that_is_down_is_said_with_an_id_and_it_recovers_by_itself(bot: Bot, june: June) -> None:
    bot.echo.down = True
    bot.start().api.says(7, "hello")
    (sent,) = bot.api.wait(7, 1)
    assert "I cannot think right now" in sent["text"]
    number = sent["text"].rpartition("(")[2].rstrip(")")
    june.environ["JUNE_HOME"] = str(bot.home)
    (told,) = june("bot", "history", "--id", number, "--json").json["messages"]
    assert "service-busy" in told["error"]
    assert number in bot.log
    bot.echo.down = False
    bot.api.says(7, "again")
    assert bot.api.wait(7, 2)[1]["text"] == "echo: again"


def test_what_was_asked_too_long_ago_gets_an_apology(bot: Bot) -> None:
    bot.api.says(7, "old", date=int(time.time()) - 7200)
    bot.start()
    assert "too long ago" in bot.api.wait(7, 1)[0]["text"]
    assert bot.echo.asked == []


@pytest.mark.parametrize(
    ("sound", "duration", "told"),
    [
        (b"garbage" * 1000, 3, "cannot open that as sound"),
        (b"", 3, "cannot open that as sound"),
        (b"OggS", 3600, "at most 300 seconds"),
        (bytes(21 * 1024 * 1024), 3, "larger than I can fetch"),
    ],
)
def test_bad_sound_gets_one_sentence(bot: Bot, sound: bytes, duration: int, told: str) -> None:
    bot.start().api.says(7, "/start")
    bot.api.wait(7, 1)
    bot.api.speaks(7, sound, duration=duration)
    sent = bot.api.wait(7, 2)
    assert told in sent[1]["text"]
    time.sleep(0.2)
    assert len(bot.api.sent(7)) == 2


def test_chats_that_have_to_wait_hold_no_place_with_the_model(bot: Bot) -> None:
    bot.start(turns=2)
    for chat in (11, 12, 13):
        bot.api.faults.append(Fault("sendMessage", 429, retry_after=30, chat=chat))
        bot.api.says(chat, "wait")
    bot.api.until(lambda: not bot.api.faults)
    bot.api.says(14, "now")
    assert bot.api.wait(14, 1, 10)[0]["text"] == "echo: now"


def test_a_path_is_no_command_of_another_bot(bot: Bot) -> None:
    bot.start().api.says(7, "/home/me@host what is that?")
    assert bot.api.wait(7, 1)


def test_a_conversation_outlives_a_restart_until_it_is_reset(bot: Bot) -> None:
    bot.start().api.says(7, "one")
    bot.api.wait(7, 1)
    bot.stop()
    bot.start().api.says(7, "two")
    bot.api.wait(7, 2)
    assert [m["content"] for m in bot.echo.asked[-1][1:]] == ["one", "echo: one", "two"]
    bot.api.says(7, "/reset")
    bot.api.wait(7, 3)
    bot.api.says(7, "three")
    bot.api.wait(7, 4)
    assert [m["content"] for m in bot.echo.asked[-1][1:]] == ["three"]
    bot.api.says(7, "/retry")
    bot.api.wait(7, 5)
    assert [m["content"] for m in bot.echo.asked[-1][1:]] == ["three"]


def test_personas_come_from_a_file_and_are_chosen_in_the_chat(bot: Bot, tmp_path: Path) -> None:
    file = tmp_path / "personas.yaml"
    file.write_text("june:\n  prompt: You are June.\npirate:\n  prompt: You are a pirate.\n  summary: Arr\n")
    bot.environ["JUNE_PERSONA_FILE"] = str(file)
    bot.start().api.says(7, "/persona")
    assert "pirate  Arr" in bot.api.wait(7, 1)[0]["text"]
    bot.api.says(7, "/persona pirate")
    bot.api.wait(7, 2)
    bot.api.says(7, "hello")
    bot.api.wait(7, 3)
    assert bot.echo.asked[-1][0]["content"] == "You are a pirate."


def test_a_network_that_is_gone_and_comes_back_loses_nothing(bot: Bot) -> None:
    bot.start().api.says(7, "/start")
    bot.api.wait(7, 1)
    bot.api.__exit__()
    bot.until_said("out of reach")
    bot.api.__enter__()
    bot.api.says(7, "are you back?")
    assert bot.api.wait(7, 2, 30)[1]["text"] == "echo: are you back?"


def test_health_and_metrics(bot: Bot) -> None:
    bot.start().api.says(7, "hello")
    bot.api.wait(7, 1)
    assert json.loads(bot.get("/health")) == {"healthy": True, "reason": ""}
    bot.api.until(lambda: 'june_bot_messages_total{state="delivered"} 1.0' in bot.get("/metrics"))
    for name in ("stage_seconds", "queue", "retries_total", "too_many_requests_total"):
        assert f"june_bot_{name}" in bot.get("/metrics")


def test_history_shows_what_was_sent_as_written_and_as_rendered(bot: Bot, june: June) -> None:
    bot.echo.answers["bold"] = "**bold** <script>"
    bot.start().api.says(7, "bold")
    sent = bot.api.wait(7, 1)[0]
    bot.api.until(lambda: 'state="delivered"} 1.0' in bot.get("/metrics"))
    june.environ["JUNE_HOME"] = str(bot.home)
    (one,) = june("bot", "history", "--json").json["messages"]
    (part,) = one["parts"]
    assert (part["raw"], part["rendered"]) == ("**bold** <script>", "<b>bold</b> &lt;script&gt;")
    assert (part["sent_id"], part["state"], one["state"]) == (str(sent["message_id"]), "sent", "delivered")
    assert set(one["seconds"]) == {"transcribed", "answered", "delivered"}
    assert "<b>bold</b>" in june("bot", "history", "--chat", "7", "--since", "1h").stdout
    page = june("bot", "history", "--format", "html").stdout
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert june("bot", "history", "--user", "8", "--json").json["messages"] == []
    assert june("bot", "history", "--id", "nothing", "--json").json["error"]["code"] == "message-unknown"
    assert june("bot", "history", "--since", "soon", "--json").json["error"]["code"] == "time-invalid"


def test_a_message_has_a_trace_with_its_stages_and_without_its_words(bot: Bot) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        bot.start(trace_url=f"http://127.0.0.1:{server.server_port}/v1/traces").api.says(7, "my words")
        bot.api.until(lambda: bool(bodies))
        server.shutdown()
    request = proto.ExportTraceServiceRequest.FromString(_unzipped(bodies[0]))
    spans = {span.name: span for span in request.resource_spans[0].scope_spans[0].spans}
    assert set(spans) == {"message", "transcribed", "answered", "delivered"}
    assert spans["delivered"].parent_span_id == spans["message"].span_id
    assert spans["delivered"].end_time_unix_nano == spans["message"].end_time_unix_nano
    assert b"my words" not in _unzipped(bodies[0])


def _unzipped(body: bytes) -> bytes:
    import gzip

    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_odd_updates_are_passed_over_and_confirmed(bot: Bot) -> None:
    chat, who = {"id": 7, "type": "private"}, {"id": 7, "is_bot": False, "first_name": "P"}
    bot.api.says(7, "/id")
    for odd in (
        {"message": {"message_id": 9001, "date": 0, "chat": chat}},
        {"message": {"message_id": 9002, "date": 1, "chat": chat, "from": who, "new_chat_title": "x"}},
        {"edited_message": {"message_id": 9003, "date": 1, "chat": chat, "from": who, "text": "edited"}},
        {
            "channel_post": {
                "message_id": 9004,
                "date": 1,
                "chat": {"id": -9, "type": "channel"},
                "text": "post",
            }
        },
        {"callback_query": {"id": "1", "from": who, "chat_instance": "1", "data": "yes:999999"}},
        {"poll_answer": {"poll_id": "1", "option_ids": [0], "user": who}},
    ):
        bot.api._update(odd)
    bot.start()
    bot.api.wait(7, 1)
    bot.api.says(7, "still there?")
    bot.api.until(lambda: "echo: still there?" in bot.api.texts(7))
    bot.api.until(lambda: not bot.api.pending)
    assert len(bot.api.sent(7)) == 2


def test_a_disk_that_is_full_loses_nothing(bot: Bot) -> None:
    """The ledger cannot be written: nothing is confirmed, and once it can be, everything is answered."""
    import sqlite3

    bot.start().api.says(7, "/id")
    bot.api.wait(7, 1)
    db = sqlite3.connect(bot.ledger / "ledger.sqlite3", isolation_level=None)
    said = "SELECT RAISE(FAIL, 'database or disk is full')"
    db.execute(f"CREATE TRIGGER full BEFORE INSERT ON messages BEGIN {said}; END")
    bot.api.says(7, "hello")
    bot.until_said("disk is full")
    assert bot.api.pending == 1
    db.execute("DROP TRIGGER full")
    db.close()
    assert bot.api.wait(7, 2, 30)[1]["text"] == "echo: hello"


def test_a_message_that_was_accepted_before_the_network_went_is_found_when_it_is_back(bot: Bot) -> None:
    bot.start().api.says(7, "/id")
    bot.api.wait(7, 1)
    bot.api.faults.append(Fault("sendMessage", accepted=True))
    bot.api.says(7, "hello")
    bot.api.until(lambda: len(bot.api.sent(7)) == 2)
    bot.api.__exit__()
    time.sleep(2.5)
    bot.api.__enter__()
    bot.api.says(7, "and now?")
    bot.api.until(lambda: bot.api.texts(7)[-1] == "echo: and now?", 40)
    assert bot.api.texts(7)[1:] == ["echo: hello", "echo: and now?"]
