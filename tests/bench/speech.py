"""How well June hears and speaks: word error rates and real-time factors of both speech services.

Why: the recogniser must be right on recorded speech (WER at most 5 %, RTF under 0.15), and the voice must be
understood nearly as well as people are (WER of the closed loop at most 3 points above that).

How: `june stt check --manifest TSV --json` on recordings, then `june tts check --json`, which speaks June's
committed sentence list and lets the same recogniser hear it. Both count words with the one normaliser in
`june_cli/words.py` and `june_cli/wer.py`. RTF is work over sound, gRPC included, as a caller sees it.
"""

from __future__ import annotations

from pathlib import Path

from measuring import Figure, compiled, june, own_home, parser, report

WER_BAR, RTF_BAR, POINTS_BAR = 0.05, 0.15, 3.0
MANIFEST = Path(__file__).parents[3] / "shared" / "audio" / "transcripts.tsv"


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--manifest", type=Path, default=MANIFEST, help="TSV with file and transcript")
    asked = options.parse_args()
    if not asked.manifest.is_file():
        options.error(f"there is no manifest {asked.manifest}; give one with --manifest")
    compiled()
    with own_home() as environ:
        heard = june(["stt", "check", "--manifest", str(asked.manifest.absolute())], environ)
        spoken = june(["tts", "check"], environ)
    points = 100 * (spoken["wer"] - heard["wer"])
    sides = {"voice, heard by the recogniser": spoken["wer"], "recorded speech": heard["wer"]}
    figures = [
        Figure("stt on recorded speech", {"clips": heard["clips"]}, heard["wer"], WER_BAR, "WER"),
        Figure("stt, work over sound", {"audio seconds": heard["audio_s"]}, heard["rtf"], RTF_BAR, "RTF"),
        Figure("tts in a closed loop, WER", sides, points, POINTS_BAR, "points"),
    ]
    beside = {"tts WER": spoken["wer"], "tts RTF": spoken["rtf"], "tts sentences": spoken["sentences"]}
    report(figures, {**beside, "stt CER": heard["cer"]}, as_json=asked.json)


if __name__ == "__main__":
    main()
