"""The process engine on real processes: start, join, keep, sweep, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from june_cli.engine import Running
from june_cli.engine.process import ProcessEngine
from june_cli.engine.processes import MARK
from june_cli.engine.ready import Wait
from june_cli.engine.record import Proc, boot_id
from june_cli.errors import MachineLacks, NotReady
from june_cli.spec import Job, Mount, Port, Ready, Secret, Service

SERVER = """
import os, signal, socket, sys, time
print("environment", sorted(k for k in os.environ if "SECRET" in k or "TOKEN" in k), flush=True)
s = socket.create_server((os.environ["JUNE_HOST"], int(os.environ["JUNE_PORT"])))
print("listening", flush=True)
if "--deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(0.1)
"""


def service(name: str = "one", *extra: str, code: str = SERVER, **changes: object) -> Service:
    base = Service(
        name=name,
        summary="a test",
        image="none",
        command=("python", "-c", code, *extra),
        ports=(Port("tcp", 49_871, "JUNE_PORT"),),
        ready=Ready("port", port="tcp"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever still runs from it afterwards is ended, and fails the test."""
    yield tmp_path / "services"
    left = marked(tmp_path / "services")
    for process in left:
        process.kill()
    assert not left


def marked(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def up(engine: ProcessEngine, wanted: Service, *, keep: bool = False) -> Running:
    wait = Wait(engine, wanted, engine.launch(wanted, keep=keep))
    while wait.poll():
        time.sleep(0.01)
    return wait.running


def test_a_service_starts_is_ready_and_ends_with_its_user(folder: Path) -> None:
    engine = ProcessEngine(folder)
    running = up(engine, service())
    assert engine.alive(running) == ""
    assert engine.names() == ["one"]
    assert engine.memory_bytes(running) > 1_000_000
    engine.release("one")
    assert engine.find("one") is None
    assert not marked(folder)


def test_a_kept_service_outlives_its_user_and_is_found_by_the_next(folder: Path) -> None:
    first = up(ProcessEngine(folder), service(), keep=True)
    ProcessEngine(folder).release("one")
    found = ProcessEngine(folder).find("one")
    assert found
    assert (found.id, found.ports, found.kept) == (first.id, first.ports, True)
    assert up(ProcessEngine(folder), service()).id == first.id
    assert ProcessEngine(folder).stop("one")
    assert not ProcessEngine(folder).stop("one")


def test_a_taken_port_gives_way_to_a_free_one(folder: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        engine = ProcessEngine(folder)
        running = up(engine, service(ports=(Port("tcp", number, "JUNE_PORT"),)))
        assert running.ports["tcp"] != number
        engine.stop("one")


def test_a_changed_spec_restarts_the_service_and_an_unchanged_one_does_not(folder: Path) -> None:
    engine = ProcessEngine(folder)
    first = up(engine, service(), keep=True)
    assert up(engine, service()).id == first.id
    second = up(engine, service(model="another"))
    assert second.id != first.id
    assert second.kept
    engine.stop("one")


def another_user(folder: Path) -> subprocess.Popen[bytes]:
    """A june of its own process that uses service `one` until it is ended."""
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom test_process import ProcessEngine, service, up\n"
        "up(ProcessEngine(Path(sys.argv[1])), service()); print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE
    )
    assert child.stdout
    with child.stdout:
        assert child.stdout.readline() == b"up\n"
    return child


def test_a_service_stays_while_another_june_uses_it(folder: Path) -> None:
    other = another_user(folder)
    engine = ProcessEngine(folder)
    running = up(engine, service())
    engine.release("one")
    assert engine.alive(running) == ""
    with pytest.raises(MachineLacks, match="another june is using it"):
        engine.launch(service(model="another"), keep=False)
    other.kill()
    other.wait()
    assert engine.find("one") is None  # nobody kept it, and its last user is dead


def test_what_a_killed_june_left_is_swept_by_the_next(folder: Path) -> None:
    other = another_user(folder)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert len(marked(folder)) == 1
    fresh = up(ProcessEngine(folder), service())
    assert [str(p.pid) for p in marked(folder)] == [fresh.id]
    ProcessEngine(folder).stop("one")


def test_a_june_killed_before_it_wrote_the_number_down_leaves_a_trace_to_follow(folder: Path) -> None:
    up(ProcessEngine(folder), service())
    path = folder / "one.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "process": None}))
    assert ProcessEngine(folder).find("one") is None
    assert not marked(folder)


def test_a_service_whose_record_was_deleted_can_still_be_stopped(folder: Path) -> None:
    up(ProcessEngine(folder), service(), keep=True)
    (folder / "one.json").unlink()
    assert ProcessEngine(folder).stop("one")
    assert not marked(folder)


def test_a_record_that_was_edited_is_not_believed(folder: Path) -> None:
    up(ProcessEngine(folder), service(), keep=True)
    path = folder / "one.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ports": {}}))
    up(ProcessEngine(folder), service())
    assert len(marked(folder)) == 1
    ProcessEngine(folder).stop("one")


def test_a_record_of_before_a_reboot_is_cleared_and_its_number_left_alone(folder: Path) -> None:
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    folder.mkdir(parents=True)
    seen = Proc.of(bystander.pid)
    assert seen
    process = {"pid": seen.pid, "started": seen.started, "boot": "before"}
    text = {"service": "one", "spec_hash": "x", "model": "", "ports": {}, "log": "", "kept": True}
    (folder / "one.json").write_text(json.dumps({**text, "started_at": 1.0, "process": process, "users": []}))
    engine = ProcessEngine(folder)
    assert engine.find("one") is None
    assert engine.ended("one") == "this machine was restarted"
    assert engine.stop("one") is False
    assert not (folder / "one.json").exists()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert boot_id() != "before"


def test_a_service_that_dies_at_once_is_explained_with_its_last_words(folder: Path) -> None:
    engine = ProcessEngine(folder)
    dying = service(code="import sys; sys.exit('the model is a banana')")
    with pytest.raises(NotReady, match="exit code 1; it said: the model is a banana"):
        up(engine, dying)
    engine.release("one")


def test_a_service_killed_from_outside_is_noticed(folder: Path) -> None:
    engine = ProcessEngine(folder)
    running = up(engine, service())
    os.kill(int(running.id), signal.SIGKILL)
    time.sleep(0.1)
    assert engine.alive(running) == "it was ended by SIGKILL"
    assert engine.find("one") is None


def test_a_service_that_makes_no_progress_is_given_up(folder: Path) -> None:
    engine = ProcessEngine(folder)
    idle = service(
        code="import time; time.sleep(60)", ready=Ready("port", port="tcp", deadline_s=0.3, stall_s=0.3)
    )
    with pytest.raises(NotReady, match="still waiting for the model to load"):
        up(engine, idle)
    engine.release("one")


def test_a_deadline_extends_while_there_is_progress(folder: Path) -> None:
    engine = ProcessEngine(folder)
    code = "import time\nfor i in range(14): print(i, flush=True); time.sleep(0.1)\n" + SERVER
    busy = service(code=code, ready=Ready("port", port="tcp", deadline_s=0.2, stall_s=0.6))
    up(engine, busy)
    engine.release("one")


def test_a_deaf_service_is_ended_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("june_cli.engine.process.GRACE_S", 0.3)
    engine = ProcessEngine(folder)
    up(engine, service("one", "--deaf"))
    engine.stop("one")
    assert not marked(folder)


def test_readiness_by_a_line_of_the_log(folder: Path) -> None:
    engine = ProcessEngine(folder)
    up(engine, service(ready=Ready("log", pattern=r"^listening$")))
    assert "listening" in engine.log_tail("one", 10)
    engine.release("one")
    assert "listening" in engine.log_tail("one", 10)  # kept after the end


def test_the_logs_of_earlier_starts_are_kept_and_bounded(folder: Path) -> None:
    engine = ProcessEngine(folder)
    for _ in range(6):
        up(engine, service())
        engine.release("one")
    assert sorted(p.name for p in (folder / "logs").iterdir()) == [
        "one.log",
        "one.log.1",
        "one.log.2",
        "one.log.3",
    ]


def test_a_service_sees_its_variables_and_no_secrets_of_the_caller(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    engine = ProcessEngine(folder)
    code = "import os; print(dict(os.environ), flush=True)\n" + SERVER
    wanted = service(
        code=code,
        mounts=(Mount(tmp_path, "/models/x", "JUNE_MODEL_DIR"),),
        secrets=(Secret("key", tmp_path / "key", "KEY_FILE"),),
        env=(("EXTRA", "1"),),
    )
    up(engine, wanted)
    log = "\n".join(engine.log_tail("one", 50))
    engine.stop("one")
    assert "hunter2" not in log
    for wished in (f"'JUNE_MODEL_DIR': '{tmp_path}'", "'EXTRA': '1'", "'HF_HUB_OFFLINE': '1'", "KEY_FILE"):
        assert wished in log


def test_a_missing_package_is_named_before_anything_starts(folder: Path) -> None:
    with pytest.raises(MachineLacks, match="needs no_such_package"):
        ProcessEngine(folder).launch(service(packages=("os", "no_such_package")), keep=False)
    assert ProcessEngine(folder).names() == []


def test_a_dry_run_line_starts_the_same_program(folder: Path) -> None:
    line = ProcessEngine(folder).describe(
        service(code="import os; print(os.environ['JUNE_PORT'])"), keep=False
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20)
    assert done.stdout == "49871\n"


JOB = "from june_cli.assistant import job\njob.event('step', n=1)\nprint('noise')\n"


def test_a_job_reports_events_and_one_result(folder: Path) -> None:
    events: list[dict[str, object]] = []
    job = Job("j", "", "none", ("python", "-c", JOB + "job.result({'answer': 42})"))
    assert ProcessEngine(folder).run_job(job, events.append) == {"answer": 42}
    assert events == [{"event": "step", "n": 1}]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("from june_cli.errors import JuneError\njob.failed(JuneError('odd', 'it is odd'))", "it is odd"),
        ("raise SystemExit('no disk')", "exit code 1: no disk"),
        ("", "said nothing"),
        ("import time; time.sleep(30)", "longer than 1 s"),
        ("job.result(1); import os; os._exit(7)", "exit code 7"),
    ],
)
def test_a_job_that_fails_is_explained(folder: Path, code: str, error: str) -> None:
    from june_cli.errors import JuneError

    with pytest.raises(JuneError, match=error):
        ProcessEngine(folder).run_job(
            Job("j", "", "none", ("python", "-c", JOB + code), deadline_s=1.0), lambda _: None
        )


def test_the_error_of_a_job_keeps_its_code_and_its_exit_code(folder: Path) -> None:
    code = JOB + "from june_cli.errors import MachineLacks as M; job.failed(M('no-way', 'no', hint='go'))"
    with pytest.raises(MachineLacks) as caught:
        ProcessEngine(folder).run_job(Job("j", "", "none", ("python", "-c", code)), lambda _: None)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("no-way", "no", "go")


def test_a_job_sees_of_the_callers_environment_what_it_names_and_no_line_shows_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@proxy")
    monkeypatch.setenv("OTHER_TOKEN", "secret")
    seen = "job.result({k: v for k, v in __import__('os').environ.items() if 'secret' in v})"
    job = Job("j", "", "none", ("python", "-c", JOB + seen), inherits=("HTTPS_*",))
    engine = ProcessEngine(folder)
    assert engine.run_job(job, lambda _: None) == {"HTTPS_PROXY": "http://ann:secret@proxy"}
    assert "secret@" not in engine.describe(job, keep=False)
