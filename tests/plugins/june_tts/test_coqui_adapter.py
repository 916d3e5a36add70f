"""The Coqui synthesiser, on tiny models of random weights: noise, but out of the real library."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from june_tts import synthesisers

from june_cli.errors import JuneError, MachineLacks, UsageProblem


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a synthesiser used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def load(folder: Path) -> synthesisers.Synthesiser:
    return synthesisers.load("coqui", folder, device="cpu", threads=1)


def unloadable(folder: Path) -> str:
    with pytest.raises(JuneError) as caught:
        load(folder)
    assert caught.value.code == "model-unloadable"
    assert "\n" not in caught.value.message
    return caught.value.message


# everywhere


def test_unknown_loader(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no synthesiser is called 'festival'") as caught:
        synthesisers.load("festival", tmp_path, device="cpu", threads=1)
    assert caught.value.code == "loader-unknown"
    assert caught.value.hint == "known: coqui, hibari"


@pytest.mark.parametrize(("loader", "package"), [("coqui", "TTS"), ("hibari", "hibari")])
def test_missing_package(loader: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, extra = synthesisers.LOADERS[loader]
    for name in [module, *(name for name in sys.modules if name.partition(".")[0] == package)]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MachineLacks, match=f"needs the Python package '{package}'") as caught:
        synthesisers.load(loader, tmp_path, device="cpu", threads=1)
    assert caught.value.code == "package-missing"
    assert caught.value.hint == f"pip install 'june-cli[{extra}]'"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ImportError('\\nCoqui TTS requires\\nTorchaudio\\n')", "Coqui TTS requires Torchaudio"),
        ("import a_package_nobody_has", "No module named 'a_package_nobody_has'"),
        ("raise OSError('libc10_cuda.so: cannot open')", "libc10_cuda.so: cannot open"),
    ],
    ids=["torchaudio", "undeclared", "other-build"],
)
def test_package_that_does_not_load(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "TTS").mkdir()
    (tmp_path / "TTS" / "__init__.py").write_text(body, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "TTS"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MachineLacks) as caught:
        load(tmp_path)
    assert caught.value.code == "package-broken"
    assert caught.value.message == f"the Python package 'TTS' does not load: {reason}"
    assert "torchaudio and torchcodec" in caught.value.hint


class Model:
    """What the adapter touches of a TTS object, as coqui-tts 0.28 answers it."""

    def __init__(
        self,
        *,
        kind: str = "vits",
        speakers: tuple[str, ...] | None = None,
        languages: tuple[str, ...] = ("en",),
        length_scale: float | None = None,
    ) -> None:
        self.is_multi_speaker, self.speakers = speakers is not None, speakers
        self.is_multi_lingual = len(languages) > 1
        self.asked: list[Mapping[str, Any]] = []
        inner = SimpleNamespace(language_manager=SimpleNamespace(language_names=list(languages)))
        if length_scale is not None:
            inner.length_scale = length_scale
        self.synthesizer = SimpleNamespace(
            output_sample_rate=24_000, tts_model=inner, tts_config=SimpleNamespace(model=kind)
        )

    def tts(self, **options: Any) -> list[float]:
        self.asked.append(options)
        return [0.0, 0.5, -0.5] + [0] * 10_000


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for PyTorch, which most machines do not have; what it was seeded with."""
    torch, given = ModuleType("torch"), list[int]()
    torch.manual_seed = given.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    return given


def voice(model: Model) -> Any:
    from june_tts.synthesisers.coqui import CoquiVoice

    return CoquiVoice("someone", model)


def test_padding_is_cut_off(seeds: list[int]) -> None:
    sound = voice(Model()).speak("Hello.", "default", 1.0, 7)
    assert sound.dtype == np.float32
    assert sound.tolist() == [0.0, 0.5, -0.5]
    assert seeds == [7]


@pytest.mark.parametrize("text", ["", " ", "...", "—", "?!"])
def test_nothing_to_pronounce(text: str, seeds: list[int]) -> None:
    model = Model()
    sound = voice(model).speak(text, "default", 1.0, 0)
    assert (sound.dtype, len(sound)) == (np.float32, 0)
    assert not model.asked
    assert not seeds


@pytest.mark.usefixtures("seeds")
def test_speed_sets_the_durations_of_a_model_that_has_them() -> None:
    model = Model(length_scale=1.5)
    someone = voice(model)
    for speed, scale in ((2.0, 0.75), (0.5, 3.0), (1.0, 1.5)):
        someone.speak("Hello.", "default", speed, 0)
        assert model.synthesizer.tts_model.length_scale == scale
    assert model.asked[-1] == {"text": "Hello.", "split_sentences": False}


@pytest.mark.usefixtures("seeds")
def test_speed_goes_to_xtts() -> None:
    model = Model(kind="xtts", speakers=("Ana", "Bo", "Ana"), languages=("ar", "en", "es"))
    someone = voice(model)
    assert someone.voices == (synthesisers.Voice("Ana", "en", ""), synthesisers.Voice("Bo", "en", ""))
    someone.speak("Hello.", "Bo", 1.5, 0)
    assert model.asked == [
        {"text": "Hello.", "split_sentences": False, "speed": 1.5, "speaker": "Bo", "language": "en"}
    ]


@pytest.mark.usefixtures("seeds")
def test_a_speed_that_would_be_dropped_is_refused() -> None:
    someone = voice(Model(kind="tacotron2"))
    assert len(someone.speak("Hello.", "default", 1.0, 0)) == 3
    with pytest.raises(UsageProblem, match="speaks at one speed only") as caught:
        someone.speak("Hello.", "default", 1.5, 0)
    assert caught.value.code == "speed-fixed"


@pytest.mark.parametrize(
    ("languages", "spoken"),
    [(("de",), "de"), (("fr-fr", "pt-br"), "fr-fr"), (("de", "en-us"), "en-us"), ((), "en")],
)
@pytest.mark.usefixtures("seeds")
def test_language_is_the_models(languages: tuple[str, ...], spoken: str) -> None:
    model = Model(languages=languages)
    someone = voice(model)
    assert someone.voices == (synthesisers.Voice("default", spoken, ""),)
    someone.speak("Hello.", "default", 1.0, 0)
    assert model.asked[0].get("language") == (spoken if len(languages) > 1 else None)


def test_a_model_that_only_clones_is_refused() -> None:
    with pytest.raises(JuneError, match="only clones voices") as caught:
        voice(Model(kind="xtts", speakers=()))
    assert caught.value.code == "model-unloadable"


# with coqui-tts


def require_coqui() -> Any:
    return pytest.importorskip("TTS.api", reason="needs pip install 'june-cli[coqui]'", exc_type=ImportError)


def vits(folder: Path, *, speakers: int = 0, language: str = "en", rate_hz: int = 16_000) -> Path:
    """A VITS of random weights, saved as its trainer saves one."""
    import torch
    from TTS.tts.configs.shared_configs import BaseAudioConfig
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
    from TTS.tts.models.vits import Vits

    folder.mkdir()
    args = VitsArgs(
        hidden_channels=16,
        hidden_channels_ffn_text_encoder=32,
        num_heads_text_encoder=2,
        num_layers_text_encoder=1,
        num_layers_posterior_encoder=1,
        num_layers_flow=1,
        upsample_initial_channel_decoder=32,
        resblock_kernel_sizes_decoder=[3],
        resblock_dilation_sizes_decoder=[[1, 3, 5]],
        init_discriminator=False,
    )
    config = VitsConfig(
        model_args=args,
        audio=BaseAudioConfig(sample_rate=rate_hz),
        use_phonemes=False,
        text_cleaner="basic_cleaners",
        phoneme_language=language,
    )
    if speakers:
        torch.save({f"s{number}": number for number in range(speakers)}, folder / "speakers.pth")
        args.speakers_file = str(folder / "speakers.pth")
        args.num_speakers, args.speaker_embedding_channels = speakers, 8
        args.use_speaker_embedding = config.use_speaker_embedding = True
        config.num_speakers = speakers
    torch.manual_seed(0)
    torch.save({"model": Vits(config).state_dict()}, folder / "model.pth")
    config.save_json(str(folder / "config.json"))
    return folder


@pytest.mark.filterwarnings("ignore")  # of a library that is not June's
class TestWithTheLibrary:
    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        require_coqui()

    def test_speaks(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        someone = load(vits(tmp_path / "someone", rate_hz=22_050))
        assert someone.name == "someone"
        assert someone.rate_hz == 22_050
        assert someone.voices == (synthesisers.Voice("default", "en", ""),)
        sound = someone.speak("Hello there, 1 secret.", "default", 1.0, 1)
        assert sound.dtype == np.float32
        assert sound.ndim == 1
        assert 0 < np.abs(sound).max() <= 1
        assert np.array_equal(sound, someone.speak("Hello there, 1 secret.", "default", 1.0, 1))
        assert not np.array_equal(sound, someone.speak("Hello there, 1 secret.", "default", 1.0, 2))
        assert len(someone.speak("...", "default", 1.0, 1)) == 0
        written = capfd.readouterr()
        assert "secret" not in written.out + written.err

    def test_speed(self, tmp_path: Path) -> None:
        someone = load(vits(tmp_path / "someone"))
        text = "The quick brown fox jumps over the lazy dog, twice."
        slow, usual, fast = (len(someone.speak(text, "default", speed, 1)) for speed in (0.5, 1.0, 2.0))
        assert slow > usual > fast

    def test_speakers_and_language(self, tmp_path: Path) -> None:
        someone = load(vits(tmp_path / "someone", speakers=3, language="de"))
        assert [v.name for v in someone.voices] == ["s0", "s1", "s2"]
        assert {v.language for v in someone.voices} == {"de"}
        sounds = [someone.speak("Guten Morgen.", v.name, 1.0, 1) for v in someone.voices]
        assert not np.array_equal(sounds[0], sounds[1])

    def test_wants_a_config_and_one_checkpoint(self, tmp_path: Path) -> None:
        assert "holds 0 .pth checkpoints" in unloadable(tmp_path / "nowhere")
        folder = vits(tmp_path / "someone")
        (folder / "best_model.pth").touch()
        assert "holds 2 .pth checkpoints" in unloadable(folder)
        (folder / "best_model.pth").unlink()
        (folder / "config.json").unlink()
        assert unloadable(folder) == f"{folder} lacks a config.json."

    @pytest.mark.parametrize("name", ["model.pth", "config.json"])
    @pytest.mark.parametrize("content", [b"", b"{}", b"hello"], ids=["empty", "object", "text"])
    def test_refuses_a_damaged_file(self, name: str, content: bytes, tmp_path: Path) -> None:
        folder = vits(tmp_path / "someone")
        (folder / name).write_bytes(content)
        assert f"the Coqui voice in {folder} does not load: " in unloadable(folder)
