"""The product, as people use it: real commands, real models, real services."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from june_cli.assistant.audio import decode

SECONDS = {"stt", "llm_first_token", "llm", "tts_first_audio", "first_audio", "total"}
if TYPE_CHECKING:
    from tests.e2e.conftest import RealJune


def test_talk_answers_a_spoken_question_and_leaves_nothing_running(real: RealJune) -> None:
    talked = real("talk", "--say", "What is the capital of France?", "-o", "answer.wav", "--json").json
    assert "france" in talked["question"].lower()
    assert "paris" in talked["answer"].lower()
    assert talked["models"] == {
        "stt": "moonshine-tiny-en",
        "llm": "smollm2-135m-instruct",
        "tts": "hibari-heart",
    }
    assert (talked["engine"], talked["profile"]) == ("process", "tiny")
    assert set(talked["seconds"]) == SECONDS
    assert all(seconds > 0 for seconds in talked["seconds"].values())
    assert talked["seconds"]["first_audio"] <= talked["seconds"]["total"]
    assert decode(real.work / talked["audio"]).seconds == pytest.approx(talked["audio_s"], abs=0.1)
    assert not real.services()


def test_no_library_keeps_an_identity_or_a_report_in_the_home(real: RealJune, up: RealJune) -> None:
    del up  # it has fetched the models
    home = real.work.parent / "person"
    home.mkdir()
    real.environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    real("talk", "--say", "Hello.", "--max-tokens", "8", "-o", "a.wav")
    assert [p for p in home.rglob("*") if p.is_file()] == []


def test_talk_for_people_shows_question_answer_and_times(up: RealJune, question: Path) -> None:
    shown = up("talk", str(question), "-o", "people.wav")
    assert shown.out.startswith("You:  What is the capital of France?\nJune: ")
    assert "people.wav" in shown.out
    assert "question to first sound" in shown.out
    assert shown.err == ""


def test_the_answer_is_heard_as_it_was_written(up: RealJune, question: Path) -> None:
    from june_cli.wer import rates

    talked = up("talk", str(question), "-o", "heard.ogg", "--json").json
    heard = up("stt", "transcribe", "heard.ogg", "--json").json["files"][0]["text"]
    assert rates([talked["answer"]], [heard]).wer < 0.35


def test_the_same_question_at_temperature_0_has_the_same_answer(up: RealJune, question: Path) -> None:
    words = ("talk", str(question), "--temperature", "0", "--max-tokens", "24", "-o", "same.wav", "--json")
    assert up(*words).json["answer"] == up(*words).json["answer"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".webm"])
def test_every_format_is_written_and_understood(up: RealJune, suffix: str) -> None:
    file = f"fine{suffix}"
    up("tts", "say", "The weather is fine today.", "-o", file)
    with av.open(str(up.work / file)) as container:
        assert container.streams.audio
    heard = up("stt", "transcribe", file, "--json").json["files"][0]
    assert heard["text"].lower().strip(".") == "the weather is fine today"
    assert 0 < heard["rtf"] < 1


def test_several_files_are_transcribed_and_a_bad_one_costs_only_itself(up: RealJune, question: Path) -> None:
    (up.work / "bad.mp3").write_text("no sound")
    ran = up("stt", "transcribe", str(question), "bad.mp3", "--json", code=1)
    good, bad = ran.json["files"]
    assert "capital" in good["text"]
    assert bad["error"]["code"] == "audio-unreadable"


def test_stt_check_measures_a_manifest(up: RealJune, question: Path) -> None:
    with (up.work / "clips.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerows(
            [("file", "transcript", "more"), (question.name, "what is the capital of france", "x")]
        )
    checked = up("stt", "check", "--manifest", "clips.tsv", "--json").json
    assert (checked["clips"], checked["wer"], checked["cer"]) == (1, 0.0, 0.0)
    assert 0 < checked["rtf"] < 1
    assert checked["files"][0]["text"] == "What is the capital of France?"


def test_a_bar_that_is_missed_exits_5_with_the_figures(up: RealJune) -> None:
    (up.work / "wrong.tsv").write_text("file\ttranscript\nquestion.wav\tsomething else entirely\n")
    missed = up("stt", "check", "--manifest", "wrong.tsv", "--max-wer", "0.1", "--json", code=5).json
    assert missed["wer"] > 0.1
    assert missed["missed"]


def test_tts_check_closes_the_loop(up: RealJune) -> None:
    checked = up("tts", "check", "--json").json
    assert checked["sentences"] == len(checked["files"]) == 16
    assert checked["wer"] < 0.1
    assert 0 < checked["rtf"] < 1
    assert -40 < checked["loudness_lufs"] < -10
    assert checked["clipped"] == 0.0


def test_voices_are_listed(up: RealJune) -> None:
    voices = up("tts", "voices", "--json").json
    assert [v["name"] for v in voices["voices"] if v["default"]] == ["heart"]
    assert up("tts", "say", "x", "-o", "x.wav", "--voice", "nobody", code=2).err.startswith(
        "june: there is no voice"
    )


def test_chat_streams_one_answer(up: RealJune) -> None:
    ran = up("chat", "What is the capital of France?", "--json", "--events", "--temperature", "0")
    assert "Paris" in ran.json["answer"]
    pieces = [e["text"] for e in ran.events if e["event"] == "wrote"]
    assert len(pieces) > 3
    assert "".join(pieces).strip() == ran.json["answer"]
    assert ran.json["tokens"] > 3


def test_a_conversation_prints_a_line_an_answer(up: RealJune) -> None:
    ran = up("chat", "--json", "--max-tokens", "24", stdin="My name is Bo.\n\nWhat is my name?\n")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["question"] for line in lines] == ["My name is Bo.", "What is my name?"]
    assert all(line["answer"] for line in lines)


def test_an_answer_cut_at_the_token_limit_says_so(up: RealJune) -> None:
    ran = up("chat", "Tell me a long story.", "--max-tokens", "5")
    assert "cut at 5 tokens" in ran.err


def test_talk_uses_what_runs_and_keep_leaves_what_it_started(real: RealJune) -> None:
    real("talk", "--say", "Hello.", "--keep", "--max-tokens", "8", "-o", "a.wav")
    before = {p.pid for p in real.services()}
    assert len(before) == 3
    real("talk", "--say", "Hello.", "--max-tokens", "8", "-o", "b.wav")
    assert {p.pid for p in real.services()} == before
    states = {s["service"]: s["state"] for s in real("serve", "status", "--json").json["services"]}
    assert states == {"stt": "ready", "llm": "ready", "tts": "ready"}
    assert real("serve", "logs", "stt", "-n", "1").out.count("\n") == 1
    real("serve", "restart", "tts")
    assert len({p.pid for p in real.services()} & before) == 2
    real("serve", "stop")
    assert not real.services()


def test_two_talks_at_once_share_the_services_and_both_answer(real: RealJune) -> None:
    words = ("talk", "--say", "What is the capital of France?", "--max-tokens", "24", "--json", "-o")
    first, second = real.start(*words, "1.wav"), real.start(*words, "2.wav")
    for ran in (real.finish(first), real.finish(second)):
        assert ran.code == 0, ran
        assert "Paris" in ran.json["answer"]
    assert not real.services()


def test_once_fetched_everything_runs_without_a_network(real: RealJune, up: RealJune) -> None:
    del up  # it has fetched the models
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test have a network of its own (unshare -rn)")
    line = ["unshare", "-rn", "sh", "-c", 'ip link set lo up 2>/dev/null || true; exec "$@"', "sh"]
    words = real.command("talk", "--say", "Hello.", "--max-tokens", "8", "-o", "offline.wav")
    done = subprocess.run(
        [*line, *words], capture_output=True, text=True, timeout=120, cwd=real.work, env=real.env
    )
    assert done.returncode == 0, done.stderr
    assert (real.work / "offline.wav").stat().st_size > 10_000
