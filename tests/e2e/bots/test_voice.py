"""The whole way with the real models: a spoken question comes in, a spoken answer goes out."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("telegram", reason="needs pip install 'june-cli[bot]'")

from june_cli.assistant.audio import Clip, decode, encode
from june_cli.wer import rates
from tests.botapi import TOKEN, BotApi
from tests.e2e.conftest import RealJune

PROMPT = "You are a helpful AI assistant named June. Answer in one short sentence."
PERSONA = f"june:\n  prompt: {PROMPT}\n  temperature: 0\n"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as running:
        yield running


@pytest.fixture
def talking(up: RealJune, api: BotApi, tmp_path: Path) -> Iterator[RealJune]:
    """`june bot telegram` in the foreground, beside the services that run."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "personas.yaml").write_text(PERSONA)
    words = ["--token-file", str(tmp_path / "token"), "--persona", str(tmp_path / "personas.yaml")]
    child = up.start("bot", "telegram", *words, "--api-url", api.url, "--allow", "7", "--allow", "8")
    up.wait_for(child, "Ctrl-C ends")
    yield up
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert TOKEN not in err
    assert {s["service"] for s in up("serve", "status", "--json").json["services"]} == {"stt", "llm", "tts"}


def heard(june: RealJune, ogg: bytes) -> str:
    path = june.work / "heard.ogg"
    path.write_bytes(ogg)
    return str(june("stt", "transcribe", str(path)).out.strip())


def voice_of(api: BotApi, message: dict[str, object]) -> bytes:
    voice = message["voice"]
    assert isinstance(voice, dict)
    assert (voice["mime_type"], voice["duration"] > 0) == ("audio/ogg", True)
    return api.files[str(voice["file_id"]).removeprefix("id-")]


def test_a_spoken_question_gets_its_transcript_a_text_and_a_voice_that_says_the_text(
    talking: RealJune, api: BotApi, question: Path
) -> None:
    api.speaks(7, encode(decode(question), ".ogg"))
    transcript, text, spoken = api.wait(7, 3, 60)
    assert transcript["text"].lower().startswith("🎤 what is the capital of france")
    assert "paris" in text["text"].lower()
    ogg = voice_of(api, spoken)
    assert ogg[:4] == b"OggS"
    assert b"OpusHead" in ogg[:64]
    assert rates([text["text"]], [heard(talking, ogg)]).wer < 0.35
    api.says(7, "/voice never")
    api.wait(7, 4)
    api.speaks(7, encode(decode(question), ".m4a"))
    assert "paris" in api.wait(7, 6, 60)[5]["text"].lower()
    time.sleep(1.0)
    assert len(api.sent(7)) == 6


def test_silence_and_noise_start_no_conversation_and_a_doubtful_one_is_read_back(
    talking: RealJune, api: BotApi, question: Path
) -> None:
    assert talking
    chance = np.random.default_rng(5)
    silence = Clip(np.zeros(48_000, np.int16), 16_000)
    noise = Clip((chance.normal(size=48_000) * 6_000).clip(-32_767, 32_767).astype(np.int16), 16_000)
    for number, clip in enumerate((silence, noise), 1):
        api.speaks(8, encode(clip, ".ogg"))
        assert "did not hear anybody" in api.wait(8, number, 60)[-1]["text"]
    asked = decode(question)
    doubtful = asked.pcm * 0.5 + np.random.default_rng(7).normal(size=len(asked.pcm)) * 1_200
    api.speaks(8, encode(Clip(doubtful.clip(-32_767, 32_767).astype(np.int16), asked.rate_hz), ".ogg"))
    back = api.wait(8, 3, 60)[2]
    assert "Did you say" in back["text"]
    (row,) = back["reply_markup"]["inline_keyboard"]
    assert [button["text"] for button in row] == ["Yes", "No"]
    api.presses(8, back, row[0]["callback_data"])
    sent = api.wait(8, 5, 60)
    assert ["text" in sent[3], "voice" in sent[4]] == [True, True]
    api.presses(8, back, row[1]["callback_data"])
    assert "not mine any more" in api.wait(8, 6, 60)[5]["text"]  # it was answered


def test_voice_messages_that_are_forbidden_leave_the_text(talking: RealJune, api: BotApi) -> None:
    api.no_voice.add(7)
    api.says(7, "/voice always")
    api.wait(7, 1)
    api.says(7, "What is the capital of France?")
    assert "paris" in api.wait(7, 2, 60)[1]["text"].lower()
    api.until(lambda: bool(api.called("sendVoice")))
    time.sleep(1.0)
    assert len(api.sent(7)) == 2
    (last,) = talking("bot", "history", "--limit", "1", "--json").json["messages"]
    assert [part["state"] for part in last["parts"]] == ["sent", "failed"]
    assert "VOICE" in last["parts"][1]["note"].upper()


def test_a_voice_that_is_gone_leaves_text_and_comes_back(
    real: RealJune, api: BotApi, question: Path, tmp_path: Path
) -> None:
    """Kept running by `june serve`; then its voice, and its ears, are taken away and given back."""
    (tmp_path / "token").write_text(TOKEN)
    june = replace(real, environ={**real.environ, "JUNE_TELEGRAM_TOKEN_FILE": str(tmp_path / "token")})
    june.environ |= {"JUNE_BOT_TELEGRAM_API_URL": api.url, "JUNE_BOT_VOICE": "always"}
    config = june.home / "config"
    config.mkdir(parents=True)
    (config / "config.toml").write_text("[bot]\ntelegram_allow = [7]\nmax_tokens = 24\n")
    june("serve", "start", "telegram")
    rows = {s["service"]: s for s in june("serve", "status", "--json").json["services"]}
    assert (rows["telegram"]["state"], rows["telegram"]["kept"], rows["llm"]["kept"]) == ("ready", True, True)
    june("serve", "stop", "tts", "stt")
    api.says(7, "Hello June.")
    sent = api.wait(7, 2, 60)
    assert "out of order" in sent[1]["text"]
    api.speaks(7, encode(decode(question), ".ogg"))
    assert "cannot listen to voice messages right now" in api.wait(7, 3, 60)[2]["text"]
    june("serve", "start", "tts", "stt")
    api.speaks(7, encode(decode(question), ".ogg"))
    assert "voice" in api.wait(7, 6, 60)[5], june("bot", "history", "--limit", "1").out
    assert b"Traceback" not in (june.home / "state" / "services" / "logs" / "telegram.log").read_bytes()
    june("serve", "stop")
    assert not june.services()


def test_what_is_missing_is_said_before_anything_starts(real: RealJune, tmp_path: Path) -> None:
    lacking = real("bot", "telegram", "--json", code=2).json["error"]
    assert lacking["code"] == "token-missing"
    assert "BotFather" in lacking["hint"]
    (tmp_path / "token").write_text("")
    empty = real("bot", "telegram", "--token-file", str(tmp_path / "token"), "--json", code=2)
    assert empty.json["error"]["code"] == "token-invalid"
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "bad.yaml").write_text("- no")
    words = ("bot", "telegram", "--token-file", str(tmp_path / "token"))
    wrong = real(*words, "--persona", str(tmp_path / "bad.yaml"), "--json", code=2)
    assert wrong.json["error"]["code"] == "persona-invalid"
    assert real(*words, "--webhook-url", "https://x.y/webhook", "--json", code=2).json["error"]["code"] == (
        "webhook-incomplete"
    )
    assert real(*words, "--voice", "loud", "--json", code=2).json["error"]["code"] == "bot-invalid"
    planned = real(*words, "--dry-run", "--json").json
    assert "june_bot.server" in planned["run"][-1]
    assert real("bot", "telegran", "--json", code=2)
