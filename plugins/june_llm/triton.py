"""The language model service in a Triton: `python -m june_llm.triton` finds a tritonserver and becomes it.

It writes a model repository for the one model into a fresh temporary folder and replaces itself by the
server. A parent that stays would have signals to pass on, a child that may outlive it, and memory of its own;
this way the process that an engine started, and signals, is the server. What a server cannot clear away
itself, its folder and what a killed one leaves in shared memory, the next start does.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from june_cli.assistant import serving, tensors
from june_cli.assistant.repository import served_name
from june_cli.errors import MachineLacks
from june_llm import llama

INSTALLED = Path("/opt/tritonserver")
STUB = "triton_python_backend_stub"
GLIBC = (2, 35)  # what the wheel is built for
EXIT_S = 3  # how long the server lets streams go on once it is asked to end
MARK = "june-triton-"
STARTING_LOOKS = 10
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the kernel's own place
HINT = "pip install 'june-cli[triton]', or run it in a container: --engine docker"


def main(place: serving.Place) -> None:
    """Check all that can be checked, write the repository, become the server."""
    ports = {name: int(os.environ[f"JUNE_{key}PORT"]) for name, key in PORTS.items()}
    llama.loadable(place.model_dir)
    server = found(os.environ)
    require_python(server)
    serving.require_free(place.host, *ports.values())
    base = _plain(Path(tempfile.gettempdir()))
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"{MARK}{os.getpid()}-", dir=base))
    name = served_name(os.environ.get("JUNE_MODEL_NAME") or place.model_dir.name)
    command = [
        str(server / "bin" / "tritonserver"),
        *(f"--model-repository={path}" for path in repositories(folder, name, os.environ)),
        "--model-control-mode=explicit",
        f"--load-model={name}",
        "--disable-auto-complete-config",  # it is whole, and asking the model would start it once more
        f"--backend-directory={backends(server, folder)}",
        f"--backend-config=python,shm-region-prefix-name={MARK}{os.getpid()}-",
        *(f"--{what}-address={place.host}" for what in PORTS),
        *(f"--{what}-port={port}" for what, port in ports.items()),
        "--allow-gpu-metrics=false",
        f"--exit-timeout-secs={EXIT_S}",
    ]
    if (server / "caches").is_dir():
        command.append(f"--cache-directory={server / 'caches'}")
    serving.become(command, environment())  # see the head of this file


PORTS = {"http": "", "grpc": "GRPC_", "metrics": "METRICS_"}


def found(environ: Mapping[str, str]) -> Path:
    """The folder of a tritonserver: JUNE_TRITON_DIR, where images have it, the nvidia-pytriton wheel."""
    named = environ.get("JUNE_TRITON_DIR")
    wheel = find_spec("pytriton")  # looks for it without importing it
    candidates = [Path(named)] if named else [INSTALLED]
    if not named and wheel and wheel.submodule_search_locations:
        candidates.append(Path(next(iter(wheel.submodule_search_locations))) / "tritonserver")
    for folder in candidates:
        if (folder / "bin" / "tritonserver").is_file():
            return folder
    if sys.platform != "linux":
        raise _lacks(f"Triton runs on Linux, this is {sys.platform}")
    if not named and sys.version_info >= (3, 13):
        raise _lacks("the Triton that pip installs needs numpy 1, which Python 3.13 and later do not have")
    where = f"JUNE_TRITON_DIR is {named}, which holds none" if named else "no tritonserver is installed"
    raise _lacks(where)


def require_python(server: Path) -> None:
    """What the model's process needs of this environment; MachineLacks names the first thing missing."""
    try:
        numpy = version("numpy")
    except PackageNotFoundError:
        numpy = ""
    if not numpy or find_spec("xllamacpp") is None:
        raise _lacks(f"the model needs {'xllamacpp' if numpy else 'numpy'}, which this Python does not have")
    if int(numpy.partition(".")[0]) >= 2:
        raise _lacks(f"Triton's Python backend needs numpy 1, and numpy {numpy} is installed")
    if (server / "backends" / "python" / STUB).exists():
        return  # an installation made for its Python
    libc, number = platform.libc_ver()
    if libc != "glibc" or tuple(int(n) for n in number.split(".")[:2]) < GLIBC:
        raise _lacks(
            f"Triton needs glibc {'.'.join(map(str, GLIBC))}, this is {libc or 'another libc'} {number}"
        )
    if not _stub(server).exists():
        raise _lacks(f"this tritonserver knows no Python {platform.python_version()}")
    library = f"libpython{_python()}.so.1.0"
    if not _own_libpython(library) and not _loads(library):
        raise _lacks(f"the model's process needs {library}", f"apt install libpython{_python()}")


def backends(server: Path, folder: Path) -> Path:
    """A backend directory with the stub of this Python in the place where Triton looks for it.

    The wheel has one stub a Python version, in another place, and site-packages are not June's to change: so
    it is a folder of links. What they lead to finds its libraries from where it really lies.
    """
    if (server / "backends" / "python" / STUB).exists():
        return server / "backends"
    python = folder / "backends" / "python"
    python.mkdir(parents=True)
    for file in [*(server / "backends" / "python").iterdir(), _stub(server)]:
        (python / file.name).symlink_to(file)
    return python.parent


def repositories(folder: Path, name: str, environ: Mapping[str, str]) -> list[Path]:
    """What to serve from: the built models, and the service's own unless that was built, too.

    Of two models of one name Triton would load neither.
    """
    built = Path(environ["JUNE_REPOSITORY"]) if environ.get("JUNE_REPOSITORY") else None
    if built is None or not built.is_dir():
        return [repository(folder, name)]
    if (built / name / "config.pbtxt").is_file():
        return [built]
    return [repository(folder, name), built]


def repository(folder: Path, name: str) -> Path:
    """A model repository with the one model."""
    model = folder / "models" / name
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(tensors.config(name), "utf-8")
    (model / "1" / "model.py").write_text(tensors.MODEL, "utf-8")
    return model.parent


def environment() -> dict[str, str]:
    """The server's environment: the model's process takes the packages of the first python3 on its PATH."""
    environ = {
        **os.environ,
        "PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ.get("PATH", os.defpath)]),
    }
    if own := _own_libpython(f"libpython{_python()}.so.1.0"):
        known = [p for p in environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if p]
        environ["LD_LIBRARY_PATH"] = os.pathsep.join([own, *known])
    return environ


def sweep(base: Path) -> None:
    """Clear away what servers that have ended left: folders, and what killed ones had in shared memory."""
    for left in [*base.glob(f"{MARK}*"), *SHARED_MEMORY.glob(f"{MARK}*")]:
        number = left.name.removeprefix(MARK).partition("-")[0]
        if number.isdigit() and not _ours(int(number)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _ours(pid: int) -> bool:
    """Whether that process is a server of ours, or about to become one; or somebody else's, who knows."""
    said = b""
    for _ in range(STARTING_LOOKS):  # one that becomes another program at this moment has no words yet
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        if said:
            break
        time.sleep(0.01)
    return MARK.encode() in said or b"june_llm.triton" in said


def _plain(folder: Path) -> Path:
    """Triton hands paths to a shell: a temporary folder with a space in its name is no use to it."""
    return folder if re.fullmatch(r"[\w./-]+", str(folder)) else Path("/tmp")  # noqa: S108


def _stub(server: Path) -> Path:
    return server / "python_backend_stubs" / _python() / STUB


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _own_libpython(library: str) -> str:
    """The folder of this Python's own library, if it has one: better than another patch version of it."""
    folder = str(sysconfig.get_config_var("LIBDIR") or "")
    return folder if folder and Path(folder, library).exists() else ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _lacks(what: str, hint: str = HINT) -> MachineLacks:
    return MachineLacks("triton-missing", f"{what}. ({hint})", hint=hint)


if __name__ == "__main__":
    serving.program(main)
