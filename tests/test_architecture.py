"""The floors of docs/architecture.md, kept by reading the source: who imports, starts and prints what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "june_cli").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
SOURCES = [p for p in CORE + PLUGINS if "_pb2" not in p.name]
# What must not be imported to show help. tests/test_startup.py shows that it is not.
HEAVY = {
    *("aiohttp", "discord", "markdown_it", "prometheus_client", "sqlite3", "telegram", "yaml"),
    *(
        "asyncio",
        "av",
        "docker",
        "grpc",
        "httpx",
        "httpx_sse",
        "huggingface_hub",
        "inflect",
        "jiwer",
        "numpy",
    ),
    *("onnxruntime", "psutil", "pydantic", "rich", "tokenizers", "torch", "transformers", "xllamacpp"),
}
# June's own modules that import those at their top.
HEAVY_OWN = ("june_cli.assistant", "june_cli.engine.process", "june_cli.engine.record", "june_cli.proto")
LIGHT = ("commands.py", "services.py", "checks.py", "settings.py", "__init__.py")


def parents(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = _at_top(tree) if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_top(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node


@pytest.mark.parametrize("path", CORE, ids=parents)
def test_the_core_imports_no_plugin(path: Path) -> None:
    assert [
        name for name in imports(path) if name.startswith("june_") and not name.startswith("june_cli")
    ] == []


@pytest.mark.parametrize("path", PLUGINS, ids=parents)
def test_a_plugin_imports_no_other_plugin(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[0]
    foreign = [n for n in imports(path) if n.startswith("june_") and n.split(".")[0] not in ("june_cli", own)]
    assert foreign == []


@pytest.mark.parametrize("path", sorted((ROOT / "june_cli" / "assistant").glob("*.py")), ids=parents)
def test_what_runs_in_containers_knows_little_of_the_host(path: Path) -> None:
    allowed = (
        "june_cli.assistant",
        "june_cli.errors",
        "june_cli.store",
        "june_cli.store.where",
        "june_cli.proto",
    )
    own = [n for n in imports(path) if n.startswith("june_cli.")]
    assert [n for n in own if not n.startswith(allowed)] == []
    assert [n for n in own if n.startswith(("june_cli.store.fetch", "june_cli.store.package"))] == []


SERVERS = [p for p in PLUGINS if p.name == "server.py" or p.name.startswith("job_")]


@pytest.mark.parametrize("path", SERVERS, ids=parents)
def test_a_server_needs_nothing_that_is_not_in_its_image(path: Path) -> None:
    allowed = ("june_cli.assistant", "june_cli.errors", "june_cli.store", "june_cli.proto")
    own = path.relative_to(ROOT / "plugins").parts[0]
    wanted = [n for n in imports(path) if n.startswith("june_cli.")]
    assert [n for n in wanted if not n.startswith(allowed)] == []
    hosts_own = [f"{own}.{part}" for part in ("commands", "services", "checks")]
    assert [n for n in imports(path) if n.startswith(tuple(hosts_own))] == []


@pytest.mark.parametrize(
    "path", [p for p in PLUGINS if p.name in LIGHT and p.parent.parent.name == "plugins"], ids=parents
)
def test_what_help_imports_is_light(path: Path) -> None:
    top = list(imports(path, top_only=True))
    assert [n for n in top if n.split(".")[0] in HEAVY or n.startswith(HEAVY_OWN)] == []


@pytest.mark.parametrize("path", SOURCES, ids=parents)
def test_only_the_engine_starts_processes(path: Path) -> None:
    if "engine" in path.parts or path.name == "serving.py":  # which becomes another program, and starts none
        return
    if path.parts[-2:] == ("assistant", "job.py"):  # inside a container: a program of the job's own image
        return
    if path.parts[-2:] in (
        ("sandbox", "spawner.py"),
        ("sandbox", "worker.py"),
    ):  # inside a container: samples
        return
    banned = ("subprocess", "multiprocessing", "pty", "os.system", "os.exec", "os.spawn", "os.fork", "docker")
    assert [n for n in imports(path) if n.startswith(banned)] == []
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert [
        c for c in calls if c.startswith(("os.system", "os.exec", "os.spawn", "os.fork", "os.popen"))
    ] == []


@pytest.mark.parametrize("path", SOURCES, ids=parents)
def test_only_output_prints(path: Path) -> None:
    in_containers = "assistant" in path.parts or path in SERVERS
    if path.name == "output.py" or in_containers:
        return
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert [c for c in calls if c in ("print", "sys.stdout.write", "sys.stderr.write", "typer.echo")] == []


@pytest.mark.parametrize("path", SOURCES, ids=parents)
def test_importing_does_nothing(path: Path) -> None:
    """At module level there are definitions and values; the few calls make values, not effects."""
    harmless = (
        "frozenset",
        "Path",
        "re.compile",
        "logging.getLogger",
        "TypeVar",
        "typer.",
        "np.",
        "dict",
        "struct.Struct",
    )
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("app.add_typer("):
            continue  # words below a word
        assert not isinstance(node, ast.Expr | ast.For | ast.While | ast.With | ast.Try), ast.unparse(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            calls = [n for n in _carried_out(node.value) if isinstance(n, ast.Call)]
            names = [ast.unparse(c.func) for c in calls]
            known = [n for n in names if n.startswith(harmless) or n[0].isupper() or n.endswith(".split")]
            assert names == known


def _carried_out(node: ast.AST) -> Iterator[ast.AST]:
    """A value's parts but for what its functions will do."""
    if isinstance(node, ast.Lambda):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _carried_out(child)


@pytest.mark.parametrize("path", SOURCES, ids=parents)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 300, "a file of that length is usually two"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert lines <= 50, f"{node.name} has {lines} lines: a name is missing"
