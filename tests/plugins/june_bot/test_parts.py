"""Pace, voice, hearing, personas and the ledger, each by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from june_bot import hearing, planning
from june_bot.entries import Part
from june_bot.ledger import Ledger
from june_bot.limits import TELEGRAM, Limits, Rate
from june_bot.pacing import Pacer
from june_bot.persona import personas
from june_bot.settings import Settings
from june_bot.words import Audio, Incoming, Voice

from june_cli.assistant.audio import Clip, decode
from june_cli.assistant.speech import Transcript
from june_cli.errors import JuneError, UsageProblem

RATE_HZ = 16_000


def noise(seconds: float, level: float = 0.2) -> Clip:
    chance = np.random.default_rng(3)
    return Clip(
        (chance.normal(size=int(seconds * RATE_HZ)) * level * 32_767).clip(-32_767, 32_767).astype(np.int16),
        RATE_HZ,
    )


def limits(**changes: object) -> Limits:
    from dataclasses import replace

    return replace(TELEGRAM, **changes)  # type: ignore[arg-type]


def test_a_chat_that_is_told_to_wait_keeps_no_other_and_indicators_yield() -> None:
    now = [0.0]
    pacer = Pacer(limits(chat=Rate(1.0, 2), bot=Rate(30.0, 30)), clock=lambda: now[0])
    assert pacer.spare("a", group=False)
    assert pacer.spare("a", group=False)
    assert not pacer.spare("a", group=False)
    assert pacer.spare("b", group=False)
    pacer.slow_down("b", 5.0, group=False)
    assert not pacer.spare("b", group=False)
    assert pacer.spare("c", group=False)
    now[0] = 4.0
    assert not pacer.spare("b", group=False)
    now[0] = 6.5
    assert pacer.spare("b", group=False)


def test_whoever_comes_first_sends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pacer = Pacer(limits(chat=Rate(1.0, 1)), clock=lambda: 0.0)

    async def three() -> None:
        for _ in range(3):
            await pacer.turn("a", group=False)

    asyncio.run(three())
    assert slept == [1.0, 2.0]


def test_a_long_voice_is_encoded_until_it_fits_and_one_that_never_can_is_none() -> None:
    clip = noise(60.0)
    roomy = planning.voice(clip, limits(voice_bytes=1_000_000))
    tight = planning.voice(clip, limits(voice_bytes=120_000))
    assert roomy
    assert tight
    assert len(tight.ogg) <= 120_000 < len(roomy.ogg)
    assert abs(decode(tight.ogg).seconds - 60.0) < 0.1
    assert planning.voice(clip, limits(voice_bytes=10_000)) is None
    assert planning.voice(noise(0.05), TELEGRAM) is None


def test_a_waveform_has_a_point_a_tenth_of_a_second_and_256_at_most() -> None:
    assert len(planning.waveform(noise(3.0))) == 30
    long = planning.waveform(noise(100.0))
    assert len(long) == 256
    assert max(long) == 255
    assert planning.waveform(Clip(np.zeros(100, np.int16), RATE_HZ)) == b"\0"


@pytest.mark.parametrize(
    ("text", "confidence", "speech_s", "level", "verdict"),
    [
        ("What is the time?", 0.95, 1.5, 0.2, "heard"),
        ("What is the time?", 0.55, 1.5, 0.2, "uncertain"),
        ("What is the time?", 0.10, 1.5, 0.2, "nothing"),
        ("What is the time?", 0.95, 0.1, 0.2, "nothing"),
        ("What is the time?", 0.95, 1.5, 0.0001, "nothing"),
        ("", 0.0, 0.0, 0.2, "nothing"),
        ("...", 0.9, 1.0, 0.2, "nothing"),
        ("thank you " * 30, 0.95, 20.0, 0.2, "uncertain"),
        ("ja ja ja ja ja ja ja", 0.95, 3.0, 0.2, "uncertain"),
        ("x" + "word " * 40, 0.95, 1.0, 0.2, "uncertain"),
        ("ご視聴ありがとうございました" * 8, 0.95, 12.0, 0.2, "uncertain"),
    ],
)
def test_hearing(text: str, confidence: float, speech_s: float, level: float, verdict: str) -> None:
    transcript = Transcript(text, confidence, 3.0, "m", speech_s)
    assert hearing.verdict(noise(3.0, level), transcript) == verdict


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("- a list", "must map"),
        ("june: no mapping", "needs a prompt"),
        ("june: {prompt: ''}", "needs a prompt"),
        ("june: {prompt: x, colour: red}", "unknown 'colour'"),
        ("june: {prompt: x, max_tokens: many}", "must be of type int"),
        ("'a b': {prompt: x}", "is no name"),
        ("june: {prompt: x", "cannot be used"),
        ("!!python/object/apply:os.system [true]", "cannot be used"),
    ],
)
def test_a_persona_file_that_is_wrong_is_named(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(content)
    with pytest.raises(UsageProblem, match=why):
        personas(Settings(), file)


def test_a_persona_takes_from_the_settings_what_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("a: {prompt: A, temperature: 1}\nb: {prompt: B, voice: heart, max_tokens: 7}\n")
    made = personas(Settings(max_tokens=99), file)
    assert list(made) == ["a", "b"]
    assert (made["a"].persona.sampling.max_tokens, made["a"].persona.sampling.temperature) == (99, 1.0)
    assert (made["b"].persona.sampling.max_tokens, made["b"].persona.voice) == (7, "heart")


def message(key: str, chat: str = "1", **more: object) -> Incoming:
    return Incoming(key=key, chat=chat, user="7", kind="text", text=f"text {key}", **more)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path)
    made.bot = "telegram:1"
    return made


def test_the_same_message_is_accepted_once_and_comes_back_as_it_was(ledger: Ledger, tmp_path: Path) -> None:
    one = message("1", audio=Audio("file", 5, 2.0))
    assert [e.incoming for e in ledger.accept([one, message("2")])] == [one, message("2")]
    assert ledger.accept([one]) == []
    ledger.close()
    again = Ledger(tmp_path)
    again.bot = "telegram:1"
    assert [e.incoming for e in again.unfinished()] == [one, message("2")]
    again.bot = "telegram:2"
    assert again.unfinished() == []
    again.close()


def test_speech_is_kept_until_it_is_delivered(ledger: Ledger) -> None:
    (entry,) = ledger.accept([message("1")])
    ledger.keep_speech(entry, Voice(b"ogg", 1.5, b"wave"))
    ledger.advance(entry, "spoken")
    assert ledger.speech(entry) == Voice(b"ogg", 1.5, b"wave")
    ledger.advance(entry, "delivered")
    assert ledger.speech(entry) is None
    assert ledger.unfinished() == []
    ledger.close()


def test_a_conversation_is_what_was_answered_since_the_last_reset(ledger: Ledger) -> None:
    entries = ledger.accept([message(str(number)) for number in range(4)])
    for entry in entries[:3]:
        ledger.advance(entry, "answered", heard=entry.incoming.text, answer=f"answer {entry.id}", turn=True)
    assert [q for q, _ in ledger.history("1", entries[3].id, 2)] == ["text 1", "text 2"]
    ledger.choose("1", since=entries[1].id)
    assert [q for q, _ in ledger.history("1", entries[3].id, 9)] == ["text 2"]
    assert ledger.history("2", 99, 9) == []
    ledger.close()


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(JuneError) as caught:
        Ledger(tmp_path / "nowhere")
    assert caught.value.code == "ledger-unreadable"
    (tmp_path / "ledger.sqlite3").write_bytes(b"this is no database, not at all" * 100)
    with pytest.raises(JuneError) as caught:
        Ledger(tmp_path)
    assert caught.value.code == "ledger-unreadable"


def test_what_is_old_and_answered_is_forgotten(ledger: Ledger) -> None:
    done, waiting = ledger.accept([message("1"), message("2")])
    ledger.advance(done, "delivered")
    assert ledger.forget_before(-60) == 1
    assert [e.id for e in ledger.unfinished()] == [waiting.id]
    ledger.close()


def test_the_highest_number_known_of_each_chat_outlives_a_restart(ledger: Ledger, tmp_path: Path) -> None:
    one, _ = ledger.accept([message("1", thread="41"), message("2", chat="2", thread="7")])
    ledger.put(Part(one.id, 1, "text", "raw", "rendered", "sent", sent_id="43"))
    ledger.put(Part(one.id, 2, "text", "raw", "rendered", "sending", after="50"))
    ledger.close()
    again = Ledger(tmp_path)
    again.bot = "telegram:1"
    assert again.newest() == {"1": 50, "2": 7}
    assert again.accounted("1") == {"41", "43"}
    again.close()


def coming(number: int, kind: str = "text", text: str = "hello") -> Incoming:
    return Incoming(key=str(number), chat="7", user="7", kind=kind, text=text)  # type: ignore[arg-type]


def test_numbers_never_come_again_whatever_was_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.bot = "b"
    for entry in ledger.accept([coming(n) for n in range(5)]):
        ledger.advance(entry, "delivered")
    ledger.choose("7", since=5)
    ledger.forget_before(-1.0)
    (entry,) = ledger.accept([coming(9)])
    assert entry.id == 6


def test_what_was_asked_before_a_reset_is_not_answered_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.bot = "b"
    (entry,) = ledger.accept([coming(1)])
    ledger.advance(entry, "answered", heard="hello", answer="hi", turn=True)
    assert ledger.last_turn("7", 99)
    ledger.choose("7", since=entry.id)
    assert ledger.last_turn("7", 99) is None


def test_a_queue_is_full_for_commands_and_buttons_too(tmp_path: Path) -> None:
    from june_bot.access import Door
    from june_bot.desk import Desk
    from june_bot.seen import Seen

    async def flood() -> list[str]:
        ledger = Ledger(tmp_path)
        ledger.bot = "b"
        desk = Desk(ledger, Door(frozenset({"7"}), ledger.introduced), Settings(queue=3), Seen())
        desk.answering = Answers()  # type: ignore[assignment]
        desk.accept([coming(n, "command", "/retry") for n in range(10)])
        desk.accept([coming(n + 100, "button", "yes:1") for n in range(10)])
        desk.accept([coming(200, "command", "/cancel")])
        kinds = [entry.incoming.kind for entry in ledger.unfinished()]
        await desk.close()
        return kinds

    class Answers:
        async def answer(self, _: object) -> None:
            await asyncio.sleep(60)

    kinds = asyncio.run(flood())
    assert kinds.count("busy") == 17
    assert kinds[-1] == "command"


def test_what_could_not_be_written_is_not_believed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.bot = "b"
    (entry,) = ledger.accept([coming(1)])
    ledger._db.execute("PRAGMA query_only = 1")
    with pytest.raises(JuneError):
        ledger.advance(entry, "answered", answer="hi")
    assert (entry.state, entry.answer) == ("received", "")


def test_half_a_surrogate_pair_is_written_down(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.bot = "b"
    ledger.accept([coming(1, text="\ud83d")])
    assert ledger.unfinished()[0].incoming.text == "\ud83d"
