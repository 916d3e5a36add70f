"""Run by `nox -s package` in an environment that has only the wheel: `python check_wheel.py WHEEL`."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path


def june(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "june"
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=60)


def check_contents(wheel: str) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert all(top == "june_cli" or top.startswith("june_") for top in tops), tops
    for wanted in ("asr_pb2.py", "asr_pb2_grpc.py", "tts_pb2.py", "tts_pb2_grpc.py", "asr.proto"):
        assert f"june_cli/proto/{wanted}" in names, wanted
    for wanted in (
        "june_cli/profiles.toml",
        "june_cli/store/models.toml",
        "june_cli/sentences.tsv",
        "june_bench/page.css",
    ):
        assert wanted in names, wanted
    assert [name for name in names if name.endswith("share/june/containers/code/Dockerfile")]
    assert not [name for name in names if "test_" in name or "docs" in name]


def check_names() -> None:
    for leaked in ("plugins", "tests", "docs", "containers"):
        assert importlib.util.find_spec(leaked) is None, leaked


def check_program() -> None:
    assert "talk" in june("--help").stdout
    listed = june("plugin", "list", "--json")
    assert {plugin["state"] for plugin in json.loads(listed.stdout)} == {"ok"}, listed.stdout
    assert june("config", "show").returncode == 0
    assert june("talk", "--say", "x", "--dry-run").returncode == 0
    lacking = june("talk", "--say", "x", "-o", "x.wav", "--json")
    assert lacking.returncode == 3, lacking
    assert json.loads(lacking.stdout)["error"]["code"] == "package-missing", lacking.stdout


TAGS = """
import json, sys
sys.path[:0] = sys.argv[1:]
from june_cli.engine.images import Images
images = Images.load()
print(json.dumps({name: images.reference(name) for name in images.recipes}))
"""


def tags(*path: str) -> dict[str, str]:
    """The images' tags, of June as installed here or as found in some folders."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", TAGS, *path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def check_images() -> None:
    """The wheel makes the images that the checkout it came from makes."""
    installed = tags()
    assert len(installed) > 5
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / "june_cli" / "proto" / "asr_pb2.py").exists():
        print("the checkout has no stubs yet: its images are not compared with the wheel's")
        return
    assert tags(str(checkout), str(checkout / "plugins")) == installed


def main() -> None:
    check_contents(sys.argv[1])
    check_names()
    check_program()
    check_images()
    print("the wheel is whole")


if __name__ == "__main__":
    main()
