"""Sound in and out: what is understood, what is refused, and that hostile files stay within the caps."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from june_cli.assistant.audio import CODECS, Clip, decode, encode, from_bytes, resample
from june_cli.errors import BadInput, UsageProblem

LOSSLESS = (".wav", ".flac")


def tone(seconds: float = 1.0, rate_hz: int = 16_000, pitch_hz: float = 440.0) -> Clip:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return Clip((8_000 * np.sin(2 * np.pi * pitch_hz * at)).astype(np.int16), rate_hz)


def strongest_hz(clip: Clip) -> float:
    spectrum = np.abs(np.fft.rfft(clip.pcm * np.hanning(len(clip.pcm))))
    return float(np.argmax(spectrum) * clip.rate_hz / len(clip.pcm))


@pytest.mark.parametrize("kind", CODECS)
def test_what_is_encoded_decodes_to_the_same_sound(kind: str) -> None:
    found = decode(encode(tone(), kind))
    assert found.rate_hz == 16_000
    assert found.seconds == pytest.approx(1.0, abs=0.1)  # AAC pads to whole frames
    assert strongest_hz(found) == pytest.approx(440, abs=5)
    level = np.sqrt(np.mean(np.square(found.pcm, dtype=np.float64)))
    assert level == pytest.approx(8_000 / np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_keep_every_sample(kind: str) -> None:
    found = decode(encode(tone(), kind))
    assert np.array_equal(found.pcm, tone().pcm)


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_usual_rates_can_be_written(kind: str, rate_hz: int) -> None:
    found = decode(encode(tone(0.3, rate_hz), kind))
    assert found.seconds == pytest.approx(0.3, abs=0.25)  # AAC at 8 kHz pads by a quarter second


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("rate_hz", [20_000, 96_000])
def test_rates_a_codec_does_not_take_are_resampled(kind: str, rate_hz: int) -> None:
    found = decode(encode(tone(0.3, rate_hz), kind))
    assert found.seconds == pytest.approx(0.3, abs=0.2)
    assert strongest_hz(found) == pytest.approx(440, abs=15)


def test_a_suffix_in_capitals_is_the_same_suffix() -> None:
    assert encode(tone(), ".WAV") == encode(tone(), ".wav")


@pytest.mark.parametrize("kind", ["", ".doc", "wav", ".wav "])
def test_an_unknown_suffix_is_refused(kind: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        encode(tone(), kind)
    assert caught.value.code == "audio-format"
    assert ".flac" in caught.value.hint


@pytest.mark.parametrize("count", [0, 1, 1_599])
def test_a_clip_under_a_tenth_of_a_second_is_not_written(count: int) -> None:
    with pytest.raises(BadInput) as caught:
        encode(Clip(np.zeros(count, np.int16), 16_000), ".wav")
    assert caught.value.code == "audio-too-short"


def wav(pcm: bytes, rate_hz: int = 16_000) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    body = b"WAVEfmt " + form + b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("count", [1, 100, 1_599])
def test_a_file_under_a_tenth_of_a_second_is_too_short(count: int) -> None:
    with pytest.raises(BadInput) as caught:
        decode(wav(bytes(2 * count)))
    assert caught.value.code == "audio-too-short"


def test_a_header_without_samples_is_an_error() -> None:
    with pytest.raises(BadInput) as caught:
        decode(wav(b""))
    assert caught.value.code in ("audio-too-short", "audio-unreadable")


@pytest.mark.parametrize("data", [b"", b"\0", b"RIFF", b"\0" * 5_000, b"OggS" * 500, b"ID3" + b"\xff" * 900])
def test_bytes_that_are_no_audio_are_an_error(data: bytes) -> None:
    with pytest.raises(BadInput):
        decode(data)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(BadInput, match="is empty") as caught:
        decode(path)
    assert caught.value.code == "audio-unreadable"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="No such file") as caught:
        decode(tmp_path / "none.wav")
    assert caught.value.code == "audio-missing"


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="not a file") as caught:
        decode(tmp_path)
    assert caught.value.code == "audio-missing"


def test_a_pipe_is_an_error_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UsageProblem) as caught:
        decode(tmp_path / "pipe.wav")
    assert caught.value.code == "audio-missing"


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "really-flac.wav"
    path.write_bytes(encode(tone(), ".flac"))
    assert np.array_equal(decode(path).pcm, tone().pcm)


def test_a_text_named_wav_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("This is no sound.\n" * 300)
    with pytest.raises(BadInput, match=r"text\.wav") as caught:
        decode(path)
    assert caught.value.code == "audio-unreadable"


@pytest.mark.parametrize(
    "name", ["12:30.wav", "a b.wav", "-i.wav", "ü.wav", "100%d.wav", "pipe:0", "x|y.wav"]
)
def test_any_file_name_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(encode(tone()))
    assert decode(Path(name)).seconds == pytest.approx(1.0)


def silent_video() -> bytes:
    sink = io.BytesIO()
    with av.open(sink, mode="w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def test_a_video_without_sound_is_an_error() -> None:
    with pytest.raises(BadInput, match="no sound") as caught:
        decode(silent_video())
    assert caught.value.code == "audio-unreadable"


def long_opus(seconds: int) -> bytes:
    """Silence in packets of two bytes, each of 120 ms: an hour is less than a megabyte."""
    sink = io.BytesIO()
    with av.open(sink, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.codec_context.open()
        for number in range(seconds * 1000 // 120):
            packet = av.Packet(b"\xfb\x06")
            packet.stream, packet.time_base = stream, stream.codec_context.time_base
            packet.pts = packet.dts = number * 5_760
            packet.duration = 5_760
            container.mux(packet)
    return sink.getvalue()


def test_an_hour_in_a_small_file_is_cut_off_at_the_cap() -> None:
    data = long_opus(3_600)
    assert len(data) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(BadInput) as caught:
            decode(data, max_s=10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "audio-too-long"
    assert "10 s" in caught.value.message
    assert peak < 5_000_000  # an hour would take 115 MB


def test_a_clip_as_long_as_the_cap_is_taken() -> None:
    assert decode(encode(tone(2.0)), max_s=2.0).seconds == 2.0
    with pytest.raises(BadInput):
        decode(encode(tone(2.01)), max_s=2.0)


def test_a_claimed_length_is_not_believed() -> None:
    honest = wav(tone().pcm.tobytes())
    lying = honest[:40] + struct.pack("<I", 0xFFFF_FFF0) + honest[44:]
    assert decode(lying, max_s=2.0).seconds == pytest.approx(1.0)


BOMB = """
import io, resource, sys
import av
from june_cli.assistant.audio import decode
from june_cli.errors import BadInput

sink = io.BytesIO()
with av.open(sink, mode="w", format="matroska") as container:
    stream = container.add_stream("pcm_s16le", rate=1, layout="mono")
    stream.codec_context.open()
    packet = av.Packet(bytes(8_000))
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    packet.time_base = stream.codec_context.time_base
    container.mux(packet)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(sink.getvalue(), max_s=10)
except BadInput as error:
    print(error.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_tiny_file_at_one_hertz_does_not_fill_the_memory() -> None:
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, timeout=60)
    code, kilobytes = done.stdout.split()
    assert code in ("audio-too-long", "audio-unreadable")
    assert int(kilobytes) < 60_000  # 8 kB of samples become 128 MB at 16 kHz


@pytest.mark.parametrize("as_file", [True, False])
def test_a_playlist_does_not_read_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, as_file: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.wav").write_bytes(encode(tone()))
    playlist = b"ffconcat version 1.0\nfile 'secret.wav'\n"
    Path("playlist.wav").write_bytes(playlist)
    with pytest.raises(BadInput):
        decode(Path("playlist.wav") if as_file else playlist)


def test_a_session_description_does_not_make_it_listen_on_the_network() -> None:
    sdp = (
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=audio 5004 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
    )
    codes: list[str] = []

    def refuse() -> None:
        try:
            decode(sdp)
        except BadInput as error:
            codes.append(error.code)

    worker = threading.Thread(target=refuse, daemon=True)
    worker.start()
    worker.join(5.0)
    assert codes == ["audio-unreadable"]


def test_other_rates_can_be_asked_for() -> None:
    found = decode(encode(tone(1.0, 44_100)), rate_hz=8_000)
    assert (found.rate_hz, len(found.pcm)) == (8_000, pytest.approx(8_000, abs=5))


def test_stereo_becomes_mono() -> None:
    both = np.repeat(tone().pcm, 2)
    form = struct.pack("<IHHIIHH", 16, 1, 2, 16_000, 64_000, 4, 16)
    body = b"WAVEfmt " + form + b"data" + struct.pack("<I", both.nbytes) + both.tobytes()
    found = decode(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert found.seconds == pytest.approx(1.0)
    assert strongest_hz(found) == pytest.approx(440, abs=2)


@cache
def small(kind: str) -> bytes:
    return encode(tone(0.15, 8_000), kind)


@pytest.mark.parametrize("kind", [".wav", ".ogg", ".flac", ".mp3"])
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_bad_input(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(small(kind))
    edits = st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255))
    # the first bytes decide what the rest means
    early = st.tuples(st.integers(0, 63), st.integers(0, 255))
    for at, value in data.draw(st.lists(edits | early, min_size=1, max_size=12)):
        damaged[at] = value
    end = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    try:
        clip = decode(bytes(damaged[:end]), max_s=20)
    except BadInput:
        return
    assert clip.pcm.dtype == np.int16
    assert 0.1 <= clip.seconds <= 20


@pytest.mark.parametrize(("given_hz", "wanted_hz"), [(16_000, 48_000), (48_000, 16_000), (44_100, 16_000)])
def test_resampling_keeps_length_and_pitch(given_hz: int, wanted_hz: int) -> None:
    found = resample(tone(1.0, given_hz), wanted_hz)
    assert found.rate_hz == wanted_hz
    assert found.seconds == pytest.approx(1.0, abs=0.002)
    assert strongest_hz(found) == pytest.approx(440, abs=2)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    assert resample(tone(), 16_000).pcm is not None
    assert np.array_equal(resample(tone(), 16_000).pcm, tone().pcm)


def test_resampling_nothing_gives_nothing() -> None:
    assert len(resample(Clip(np.zeros(0, np.int16), 8_000), 16_000).pcm) == 0


@pytest.mark.parametrize("count", [1, 2, 5, 100])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
def test_a_few_samples_can_be_resampled(count: int, rate_hz: int) -> None:
    found = resample(Clip(np.ones(count, np.int16), rate_hz), 16_000)
    assert found.rate_hz == 16_000
    assert len(found.pcm) <= count * 2 + 32


def test_raw_bytes_become_samples() -> None:
    clip = from_bytes(b"\x01\x00\xff\xff\x00\x80", 8_000)
    assert (list(clip.pcm), clip.rate_hz) == ([1, -1, -32_768], 8_000)


@pytest.mark.parametrize(("data", "count"), [(b"", 0), (b"\x01", 0), (b"\x01\x00\x02", 1)])
def test_an_odd_last_byte_is_dropped(data: bytes, count: int) -> None:
    assert len(from_bytes(data, 16_000).pcm) == count


def test_tags_that_are_no_utf8_do_not_cost_the_sound() -> None:
    title = b"\x03\xff\xfe\xe9bad"
    frame = b"TIT2" + len(title).to_bytes(4, "big") + b"\0\0" + title
    tag = b"ID3\x03\0\0" + bytes([0, 0, 0, len(frame)]) + frame
    assert decode(tag + encode(tone(), ".mp3")).seconds > 0.5
