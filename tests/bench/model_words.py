"""What `june model` adds to the work itself. Bars: list 2 times, verify 0.8 of sha256sum's rate, load 0.3 s.

Why: these words are typed and scripted all day; a long catalog, a checksum or a check must not be what is
waited for.

How: `list` with 200 models in the catalog and the store, against 5. `verify` of one file, against the program
sha256sum on the same file, both with the file in the page cache. `load` of a small model into a Triton in
Docker, against the bare HTTP calls, load and one token, from this process; unloaded in between. Medians.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from measuring import JUNE, Figure, compiled, june, middle, own_home, parser, ratio, report

MODEL = "smollm2-135m-instruct"
ENTRY = """
[m{0}]
role = "llm"
loader = "hf"
licence = "MIT"
parameters = 1
revision = "r"
source = {{ kind = "url", url = "http://localhost/x" }}
"""


def stored(home: Path, count: int, size: int) -> None:
    """A catalog and a store of so many models, of one file each."""
    (home / "config").mkdir(parents=True)
    (home / "config" / "models.toml").write_text("".join(ENTRY.format(n) for n in range(count)))
    data = b"x" * size
    digest = hashlib.sha256(data).hexdigest()
    for number in range(count):
        folder = home / "models" / f"m{number}" / "r"
        folder.mkdir(parents=True)
        file = folder / "model.bin"
        file.write_bytes(data)
        entry = {"name": file.name, "bytes": size, "sha256": digest, "mtime_ns": file.stat().st_mtime_ns}
        content = {"model": f"m{number}", "revision": "r", "licence": "MIT", "files": [entry]}
        (folder / "june-model.json").write_text(json.dumps(content))


def timed(command: list[str], environ: Mapping[str, str]) -> float:
    """Wall seconds of a program that has to succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began


def listing(runs: int) -> Figure:
    """200 models against 5."""
    with tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        many, few = Path(folder, "many"), Path(folder, "few")
        stored(many, 200, 10)
        stored(few, 5, 10)
        words = [str(JUNE), "model", "list"]
        homes = [{**os.environ, "JUNE_HOME": str(home)} for home in (many, few)]
        seen = [tuple(timed(words, environ) for environ in homes) for _ in range(runs + 1)][1:]
    sides = {"with 200 models": middle([a for a, _ in seen]), "with 5": middle([b for _, b in seen])}
    return ratio("june model list, seconds", sides, 2.0)


def verifying(runs: int, mib: int) -> Figure:
    """June against sha256sum; the interpreter's start is June's to bear."""
    with tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        stored(Path(folder), 1, mib * 2**20)
        environ = {**os.environ, "JUNE_HOME": folder}
        file = str(Path(folder, "models", "m0", "r", "model.bin"))
        seen = [
            (timed(["sha256sum", file], environ), timed([str(JUNE), "model", "verify", "m0"], environ))
            for _ in range(runs + 1)
        ][1:]
    sides = {"sha256sum": middle([a for a, _ in seen]), "june model verify": middle([b for _, b in seen])}
    value = sides["sha256sum"] / sides["june model verify"]
    return Figure(f"verify {mib} MiB, seconds", sides, 0.8 / value, 1.0, "0.8 over the ratio of rates")


def loading(runs: int) -> Figure:
    """`june model load` against the calls that it makes."""
    with own_home("docker") as environ:
        try:
            june(["serve", "start", "llm"], environ)
            address = june(["model", "status"], environ)["address"]
            ours, bare = [], []
            for _ in range(runs + 1):
                june(["model", "unload", MODEL], environ)
                ours.append(timed([str(JUNE), "model", "load", MODEL], environ))
                june(["model", "unload", MODEL], environ)
                bare.append(calls(address))
        finally:
            june(["serve", "stop"], environ)
    sides = {"june model load": middle(ours[1:]), "load and a token over HTTP": middle(bare[1:])}
    more = sides["june model load"] - sides["load and a token over HTTP"]
    return Figure("load a small model, seconds", sides, more, 0.3, "more")


def calls(address: str) -> float:
    """Seconds of a bare load and one token."""
    began = time.perf_counter()
    body = {"text_input": "Hello", "sampling_param_max_tokens": 1}
    for path, content in (
        (f"/v2/repository/models/{MODEL}/load", {}),
        (f"/v2/models/{MODEL}/generate", body),
    ):
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
        assert connection.getresponse().status == http.client.OK
        connection.close()
    return time.perf_counter() - began


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--mib", type=int, default=1024)
    options.add_argument("--no-docker", action="store_true", help="leave the loading out")
    asked = options.parse_args()
    compiled()
    figures = [listing(asked.runs), verifying(asked.runs, asked.mib)]
    if not asked.no_docker:
        figures.append(loading(asked.runs))
    report(figures, {"runs": asked.runs}, as_json=asked.json)


if __name__ == "__main__":
    main()
