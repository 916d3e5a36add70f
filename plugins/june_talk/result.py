"""What `june talk` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from june_cli.assistant.turn import Seconds
from june_cli.output import Table

STAGES = {
    "stt": "speech to text",
    "llm_first_token": "language model, first token",
    "llm": "language model, whole answer",
    "tts_first_audio": "text to speech, first sentence",
    "first_audio": "question to first sound",
    "total": "question to last sound",
}


@dataclass(frozen=True)
class Talk:
    """A turn, as the command reports it. `audio` is the file of the answer; all times are seconds."""

    question: str
    answer: str
    audio: str
    engine: str
    profile: str
    models: Mapping[str, str]
    seconds: Seconds
    confidence: float
    audio_s: float
    tokens: int
    finish: str

    def blocks(self) -> list[str | Table]:
        """Question and answer have been shown as they came; the rest is where and how fast."""
        times = asdict(self.seconds)
        rows = [(label, f"{times[key]:.3f}") for key, label in STAGES.items()]
        cut = [" (cut at the token limit: --max-tokens)"] if self.finish == "length" else [""]
        return [f"\nAnswer: {self.audio}, {self.audio_s:.1f} s{cut[0]}\n", Table(("stage", "seconds"), rows)]
