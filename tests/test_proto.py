"""The generated stubs are those of the .proto files as they are now."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["asr", "tts"])
def test_stubs_match_their_proto(name: str) -> None:
    text = re.sub(r"//[^\n]*", "", (ROOT / "june_cli" / "proto" / f"{name}.proto").read_text("utf-8"))
    descriptor = importlib.import_module(f"june_cli.proto.{name}_pb2").DESCRIPTOR
    assert descriptor.package == re.findall(r"package ([\w.]+);", text)[0]
    written = set(re.findall(r"\b(\w+) = (\d+);", text))
    messages = [*descriptor.message_types_by_name.values()]
    generated = {(f.name, str(f.number)) for m in messages for f in m.fields}
    generated |= {(v.name, str(v.number)) for e in descriptor.enum_types_by_name.values() for v in e.values}
    assert generated == written
    methods = {m.name for s in descriptor.services_by_name.values() for m in s.methods}
    assert methods == set(re.findall(r"rpc (\w+)\(", text))
