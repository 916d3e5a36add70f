"""Bars that a measurement has to reach, for CI."""

from __future__ import annotations

from dataclasses import dataclass

MISSED_EXIT = 5


@dataclass(frozen=True)
class Bar:
    """The highest word error rate and real-time factor allowed; None: any."""

    wer: float | None = None
    rtf: float | None = None

    def missed(self, *, wer: float, rtf: float) -> tuple[str, ...]:
        """A sentence for each bar that was missed."""
        measured = (("WER", wer, self.wer), ("RTF", rtf, self.rtf))
        return tuple(
            f"{name} {value:.4f} is above the bar of {bar:g}"
            for name, value, bar in measured
            if bar is not None and value > bar
        )
