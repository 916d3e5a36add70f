"""A run as one HTML page: no script, nothing fetched; for a phone, and for the dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from june_bench.report import Report

FAILED = 200  # shown one by one


def page(report: Report, lines: Iterable[Mapping[str, Any]]) -> str:
    """The whole page."""
    failed = [line for line in lines if not line["passed"]]
    shown = "\n".join(_sample(line) for line in failed[:FAILED])
    more = f"<p class=soft>… and {len(failed) - FAILED} more.</p>" if len(failed) > FAILED else ""
    first, value = next(iter(report.pass_at_k.items()))
    low, high = report.interval
    title = f"{report.suite}: pass@{first} {100 * value:.1f} %"
    style = files("june_bench").joinpath("page.css").read_text("utf-8")
    reach = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    share = f"{report.passed} of {report.total} samples of {report.tasks} tasks passed"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{style}</style></head><body>
<h1>{escape(title)}</h1>
<p class=soft>{reach}. {share}, in {report.seconds:.1f} s.</p>
<h2>pass@k, with its interval</h2>{scores_chart(report)}
<h2>Samples by reason</h2>{counts_chart(report.reasons)}
<h2>What it is true for</h2><dl>{_facts(report.identity)}</dl>
<h2>Samples that failed</h2>{shown or "<p>None.</p>"}{more}
</body></html>
"""


def scores_chart(report: Report) -> str:
    """A bar a k, and how far its interval reaches."""
    rows = ""
    for k, value in report.pass_at_k.items():
        low, high = report.intervals[k]
        reach = f'<i class=reach style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        rows += _row(f"pass@{k}", value, f"{100 * value:.1f} %", reach)
    return f'<div class=chart role=img aria-label="pass@k with 95 % intervals">{rows}</div>'


def counts_chart(counts: Mapping[str, int]) -> str:
    """A bar a reason."""
    most = max(counts.values(), default=1)
    rows = "".join(_row(name, number / most, str(number)) for name, number in counts.items())
    return f'<div class=chart role=img aria-label="samples by reason">{rows}</div>'


def _row(label: str, share: float, text: str, over: str = "") -> str:
    bar = f'<b class=bar style="width:{100 * share:.1f}%"></b>'
    return f"<span>{escape(label)}</span><span class=track>{bar}{over}</span><span>{escape(text)}</span>"


def _facts(identity: Mapping[str, Any]) -> str:
    facts = ""
    for name, value in identity.items():
        if value not in ("", None, [], 0):
            facts += f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd>"
    return facts


def _sample(line: Mapping[str, Any]) -> str:
    head = f"{line['task_id']} <span class=soft>#{line['number']}</span> {escape(line['reason'])}"
    return (
        f"<details><summary>{head} <span class=soft>{escape(line['detail'])}</span></summary>"
        f"<pre>{escape(line['completion'])}</pre></details>"
    )
