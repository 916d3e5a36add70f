"""One voice turn over small fakes of the three services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from june_cli.assistant.audio import Clip
from june_cli.assistant.llm import Delta, Message, Sampling
from june_cli.assistant.speech import Spoken, Transcript
from june_cli.assistant.turn import PENDING_SENTENCES, Persona, Turn, Watch, run
from june_cli.errors import JuneError, NotReady, UsageProblem

QUESTION = Clip(np.zeros(16_000, np.int16), 16_000)
PERSONA = Persona("Be brief.", Sampling(max_tokens=9), voice="heart")


@dataclass
class Ears:
    text: str = "What is it?"
    error: JuneError | None = None

    async def recognise(self, clip: Clip) -> Transcript:
        await asyncio.sleep(0.01)
        if self.error:
            raise self.error
        return Transcript(self.text, 0.9, clip.seconds, "ears")


@dataclass
class Brain:
    deltas: Sequence[Delta] = (
        Delta("It is "),
        Delta("a cat. "),
        Delta("It sleeps."),
        Delta(finish="stop", tokens=6),
    )
    events: list[str] = field(default_factory=list)
    asked: list[tuple[list[Message], Sampling]] = field(default_factory=list)
    gate: dict[int, asyncio.Event] = field(default_factory=dict)
    error: JuneError | None = None

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        self.asked.append((list(messages), sampling))
        try:
            for number, delta in enumerate(self.deltas):
                await asyncio.sleep(0.005)
                if number in self.gate:
                    await self.gate[number].wait()
                self.events.append(f"wrote {delta.text}")
                yield delta
            if self.error:
                raise self.error
            self.events.append("written")
        except (GeneratorExit, asyncio.CancelledError):
            self.events.append("stopped writing")
            raise


@dataclass
class Mouth:
    events: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, JuneError] = field(default_factory=dict)
    spoke: Callable[[str], None] = lambda _: None
    rates: Sequence[int] = (24_000,)

    async def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> AsyncIterator[Spoken]:
        del speed
        self.asked.append((text, voice))
        self.events.append(f"asked {text}")
        await asyncio.sleep(0.005)
        if text in self.errors:
            raise self.errors[text]
        rate = self.rates[(len(self.asked) - 1) % len(self.rates)]
        self.events.append(f"spoke {text}")
        self.spoke(text)
        yield Spoken(text, Clip(np.full(rate // 10, len(self.asked), np.int16), rate))


def turn(
    ears: Ears | None = None,
    brain: Brain | None = None,
    mouth: Mouth | None = None,
    *,
    history: Sequence[Message] = (),
    watch: Watch | None = None,
) -> Turn:
    async def bounded() -> Turn:
        async with asyncio.timeout(10):
            return await run(
                QUESTION,
                stt=ears or Ears(),
                llm=brain or Brain(),
                tts=mouth or Mouth(),
                persona=PERSONA,
                history=history,
                watch=watch,
            )

    return asyncio.run(bounded())


def test_a_turn_hears_answers_and_speaks() -> None:
    found = turn()
    assert found.question.text == "What is it?"
    assert found.answer == "It is a cat. It sleeps."
    assert (found.tokens, found.finish, found.reasoning) == (6, "stop", "")
    assert found.speech.rate_hz == 24_000
    assert found.speech.seconds == pytest.approx(0.2)
    assert list(found.speech.pcm[[0, -1]]) == [1, 2]  # in the order of the sentences


def test_a_sentence_is_spoken_while_the_next_is_being_written() -> None:
    async def go() -> list[str]:
        heard = asyncio.Event()
        events: list[str] = []
        deltas = (Delta("One. T"), Delta("wo."), Delta(finish="stop"))
        brain = Brain(deltas, events, gate={1: heard})  # writes on only when the first sentence has sounded
        mouth = Mouth(events, spoke=lambda _: heard.set())
        async with asyncio.timeout(10):
            await run(QUESTION, stt=Ears(), llm=brain, tts=mouth, persona=PERSONA)
        return events

    events = asyncio.run(go())
    assert events.index("spoke One.") < events.index("wrote wo.") < events.index("asked Two.")


def test_the_seconds_are_filled_and_consistent() -> None:
    seconds = turn().seconds
    assert 0 < seconds.stt < seconds.first_audio <= seconds.total
    assert 0 < seconds.llm_first_token <= seconds.llm < seconds.total
    assert 0 < seconds.tts_first_audio < seconds.first_audio
    assert seconds.first_audio >= seconds.stt + seconds.llm_first_token + seconds.tts_first_audio - 0.001


def test_prompt_history_and_question_are_sent_in_that_order() -> None:
    brain, mouth = Brain(), Mouth()
    history = [Message("user", "Hello."), Message("assistant", "Hi.")]
    turn(brain=brain, mouth=mouth, history=history)
    messages, sampling = brain.asked[0]
    assert messages == [Message("system", "Be brief."), *history, Message("user", "What is it?")]
    assert sampling.max_tokens == 9
    assert {voice for _, voice in mouth.asked} == {"heart"}


def test_whoever_watches_sees_everything_in_order() -> None:
    seen: list[str] = []
    turn(
        watch=Watch(
            heard=lambda transcript: seen.append(transcript.text),
            wrote=seen.append,
            spoke=lambda spoken: seen.append(f"({spoken.text})"),
        )
    )
    assert seen[0] == "What is it?"
    assert [s for s in seen[1:] if "(" not in s] == ["It is ", "a cat. ", "It sleeps."]
    assert [s for s in seen if "(" in s] == ["(It is a cat.)", "(It sleeps.)"]


def test_silence_is_nothing_said_and_nobody_is_asked() -> None:
    brain = Brain()
    with pytest.raises(JuneError) as caught:
        turn(Ears(""), brain)
    assert (caught.value.code, brain.asked) == ("nothing-said", [])


@pytest.mark.parametrize(
    "deltas",
    [(Delta(finish="stop"),), (Delta(" \n"), Delta(finish="stop")), (Delta("", "hm"), Delta(finish="stop"))],
)
def test_a_model_that_stays_silent_has_nothing_answered(deltas: Sequence[Delta]) -> None:
    mouth = Mouth()
    with pytest.raises(JuneError) as caught:
        turn(brain=Brain(deltas), mouth=mouth)
    assert (caught.value.code, mouth.asked) == ("nothing-answered", [])


def test_reasoning_is_kept_and_not_spoken() -> None:
    mouth = Mouth()
    found = turn(brain=Brain((Delta("", "I think. "), Delta("Yes."), Delta(finish="stop"))), mouth=mouth)
    assert (found.answer, found.reasoning) == ("Yes.", "I think.")
    assert [text for text, _ in mouth.asked] == ["Yes."]


def test_a_voice_that_fails_stops_the_model_and_is_what_is_told() -> None:
    events: list[str] = []
    lost = NotReady("service-lost", "tts was lost", hint="again")

    async def go() -> None:
        never = asyncio.Event()
        brain = Brain((Delta("One. T"), Delta("wo.")), events, gate={1: never})
        async with asyncio.timeout(10):
            await run(
                QUESTION, stt=Ears(), llm=brain, tts=Mouth(events, errors={"One.": lost}), persona=PERSONA
            )

    with pytest.raises(NotReady) as caught:
        asyncio.run(go())
    assert caught.value is lost
    assert events[-1] == "stopped writing"


def test_a_model_that_fails_is_what_is_told() -> None:
    lost = NotReady("llm-timeout", "llm was silent")
    mouth = Mouth()
    with pytest.raises(NotReady) as caught:
        turn(brain=Brain((Delta("One. Two"),), error=lost), mouth=mouth)
    assert caught.value is lost
    assert all(text == "One." for text, _ in mouth.asked)


def test_ears_that_fail_are_what_is_told() -> None:
    lost = NotReady("service-lost", "stt was lost")
    with pytest.raises(NotReady) as caught:
        turn(Ears(error=lost))
    assert caught.value is lost


def test_a_sentence_that_cannot_be_spoken_is_passed_over() -> None:
    mute = UsageProblem("text-unspeakable", "nothing to pronounce")
    brain = Brain((Delta("One. *** . Two."), Delta(finish="stop")))
    mouth = Mouth(errors={"*** .": mute})
    found = turn(brain=brain, mouth=mouth)
    assert found.answer == "One. *** . Two."
    assert found.speech.seconds == pytest.approx(0.2)


def test_an_answer_of_nothing_but_symbols_has_no_sound() -> None:
    mute = UsageProblem("text-unspeakable", "nothing to pronounce")
    found = turn(brain=Brain((Delta("***"), Delta(finish="stop"))), mouth=Mouth(errors={"***": mute}))
    assert (found.answer, len(found.speech.pcm), found.seconds.first_audio) == ("***", 0, 0)


def test_another_problem_with_a_sentence_is_an_error() -> None:
    with pytest.raises(UsageProblem) as caught:
        turn(mouth=Mouth(errors={"It sleeps.": UsageProblem("voice-unknown", "no such voice")}))
    assert caught.value.code == "voice-unknown"


def test_chunks_of_several_rates_become_one_clip() -> None:
    found = turn(mouth=Mouth(rates=(24_000, 48_000)))
    assert found.speech.rate_hz == 24_000
    assert found.speech.seconds == pytest.approx(0.2, abs=0.002)


def test_more_sentences_than_may_wait_are_all_spoken() -> None:
    count = PENDING_SENTENCES * 2
    mouth = Mouth()
    found = turn(brain=Brain((Delta("Yes. " * count), Delta(finish="stop"))), mouth=mouth)
    assert len(mouth.asked) == count
    assert found.speech.seconds == pytest.approx(count * 0.1)
