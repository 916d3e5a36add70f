"""One run of a suite: samples in, from a file or a model, verdicts out, an audit before any score."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from june_bench import audit, datasets, report, runs
from june_bench.asked import Asked, chosen
from june_bench.references import References
from june_bench.report import Report
from june_bench.samples import Sample, from_file
from june_bench.suites import Task
from june_cli.engine import Engine
from june_cli.engine.up import Planned
from june_cli.errors import MachineLacks, UsageProblem
from june_cli.files import require_writable
from june_cli.sandbox import spec
from june_cli.sandbox.pool import Pool
from june_cli.sandbox.verdict import Request, Verdict
from june_cli.spec import Worker

if TYPE_CHECKING:
    from june_bench.datasets import Dataset
    from june_cli.invocation import Invocation

UNSAFE = (
    "--unsafe-local: there is no container. Code that nobody has read runs as you, on this machine: it can "
    "read your files and use the network. Only memory, time and the number of processes are limited."
)


def bench(june: Invocation, asked: Asked) -> Report:
    """Grade, and say what came out. JuneError when the audit finds that this machine grades wrong."""
    data, tasks = _tasks(june, asked)
    if asked.junit:
        require_writable(asked.junit)
    if not asked.samples and not asked.model and not asked.url:
        raise UsageProblem(
            "samples-missing",
            "there is nothing to grade.",
            hint="--model NAME, --url URL, or --samples FILE.jsonl",
        )
    if not asked.samples and asked.n > 1 and asked.temperature == 0:
        raise UsageProblem(
            "samples-alike",
            f"{asked.n} answers at temperature 0 would be the same.",
            hint="--temperature 0.8",
        )
    engine, worker = prepared(june, asked)
    folder = june.paths.runs / "bench"
    told = {**asked.identity(), "dataset_sha256": data.sha256}
    name = asked.suite.name
    run = runs.resumed(folder, asked.resume, name, told) if asked.resume else runs.begun(folder, name, told)
    try:
        with runs.held(run):
            return _Grading(june, asked, data, tasks, run, engine, worker).report()
    finally:
        run.close()


def sandbox(june: Invocation, asked: Asked) -> tuple[Engine, Worker]:
    """Where code runs: in containers; without, only when that is asked for."""
    if asked.unsafe_local:
        return june.engine_named("process"), spec.unboxed()
    return june.engine_named("docker"), spec.worker()


def prepared(june: Invocation, asked: Asked) -> tuple[Engine, Worker]:
    """The same, ready to start. MachineLacks without Docker, unless that is asked for."""
    engine, worker = sandbox(june, asked)
    if asked.unsafe_local:
        june.out.remark(UNSAFE)
        return engine, worker
    try:
        engine.prepare([worker], june.out)
    except MachineLacks as error:
        raise MachineLacks(
            error.code,
            f"code that nobody has read runs in containers, and {error.message}",
            hint=f"{error.hint or 'june doctor'}; --unsafe-local runs it without any, as you",
        ) from error
    return engine, worker


def _tasks(june: Invocation, asked: Asked) -> tuple[Dataset, list[Task]]:
    suite = asked.suite
    name, read = suite.dataset, suite.tasks
    if asked.split:
        if asked.split not in suite.splits:
            known = ", ".join(suite.splits) or "none"
            raise UsageProblem(
                "split-unknown", f"{suite.name} has no split {asked.split!r}.", hint=f"known: {known}"
            )
        name, read = suite.splits[asked.split]
    data = datasets.read(asked.data) if asked.data else datasets.pinned(june, name)
    return data, chosen(asked, read(data))


@dataclass
class _Grading:
    june: Invocation
    asked: Asked
    data: Dataset
    tasks: Sequence[Task]
    run: runs.Run
    engine: Engine
    worker: Worker
    told: dict[str, Any] = field(default_factory=dict)  # of the model and its server

    def __post_init__(self) -> None:
        self.given = from_file(self.asked.samples, self.tasks) if self.asked.samples else []
        self.identity, self.state = self._identity(), self.june.paths.state / "bench"
        key = audit.key_of(self.identity["dataset_sha256"], self.identity["sandbox"])
        self.references = References.of(self.state / "references", key)

    def report(self) -> Report:
        """Grade everything that is not graded yet, and write the report."""
        began = time.monotonic()
        limits = ("dataset_sha256", "sandbox", "timeout_s", "tasks_sha256")
        audits, key = self.state / "audits", audit.key_of(*(self.identity[name] for name in limits))
        checked, known = audit.Audit(), audit.passed_before(audits, key)
        self._graded(checked, checked.samples(self.tasks, all_references=not known))
        self.references.keep()
        checked.require()
        audit.remember(audits, key, len(self.tasks))
        made = report.made(
            self.run.done.values(),
            self.asked.ks,
            {
                "suite": self.asked.suite.name,
                "seconds": time.monotonic() - began,
                "fallback": [task.id for task in self.tasks if task.tests.inside],
                "run": self.run.name,
                "samples": str(self.run.samples),
                "report": str(self.run.folder / runs.REPORT),
                "page": str(self.run.folder / runs.PAGE),
                "identity": {**self.identity, **self.told},
            },
            self.asked.bars or {},
        )
        self._write(made)
        return made

    def _graded(self, checked: audit.Audit, first: Sequence[Sample]) -> None:
        """The audit's samples, and then the run's own."""
        samples = {sample.id: sample for sample in first}
        every = 1 if self.asked.isolation == "sample" else 500
        pool = Pool(self.engine, self.worker, self.asked.workers, every)
        total = len(self.given) or len(self.tasks) * self.asked.n
        with self.june.out.progress(f"Grading {self.asked.suite.name}", total, "samples") as bar:
            requests = self._requests(first, samples)
            with contextlib.closing(pool.grade(requests)) as verdicts:
                passed = 0
                for verdict in verdicts:
                    self.references.learn(verdict.id.rpartition("#")[0], verdict)
                    if checked.note(verdict):
                        bar.update(len(self.run.done), text="auditing")
                        continue
                    passed += verdict.passed
                    self._keep(samples.pop(verdict.id), verdict)
                    bar.update(len(self.run.done), text=f"{passed} passed", total=total)

    def _requests(self, first: Iterable[Sample], samples: dict[str, Sample]) -> Iterator[Request]:
        for sample in first:
            yield self._request(sample)
        for sample in self._own():
            if sample.id in self.run.done:
                continue
            if sample.decided:
                self._keep(sample, Verdict(sample.id, False, sample.decided))  # type: ignore[arg-type]
                continue
            samples[sample.id] = sample
            yield self._request(sample)

    def _own(self) -> Iterable[Sample]:
        if self.asked.samples:
            return self.given
        from june_bench.generating import generated

        return generated(self.june, self.asked, self.tasks, self.run.done, self.told)

    def _request(self, sample: Sample) -> Request:
        tests = self.references.tests(sample.task)
        return Request(sample.id, sample.program, tests, self.asked.patience_s)

    def _keep(self, sample: Sample, verdict: Verdict) -> None:
        line = {
            "task_id": sample.task.id,
            "number": sample.number,
            "completion": sample.completion,
            "passed": verdict.passed,
            "reason": verdict.reason,
            "detail": verdict.detail,
            "seconds": round(verdict.seconds, 4),
            "cpu_s": round(verdict.cpu_s, 4),
            "peak_bytes": verdict.peak_bytes,
            **sample.extra,
        }
        if sample.task.tests.base:
            line["base_passed"] = verdict.base_passed
        self.run.write(sample.id, line)

    def _identity(self) -> dict[str, Any]:
        """What the numbers are true for."""
        reference = getattr(self.engine, "images", None)
        tasks = audit.key_of(*(task.id for task in self.tasks))
        return {
            **self.asked.identity(),
            "dataset_sha256": self.data.sha256,
            "tasks_sha256": tasks,
            "sandbox": reference.reference(self.worker.image) if reference else "none (--unsafe-local)",
            "isolation": self.asked.isolation,
            "june": version("june-cli"),
        }

    def _write(self, made: Report) -> None:
        import dataclasses
        import json

        from june_bench.export import junit
        from june_bench.page import page
        from june_cli.files import write

        lines = sorted(self.run.done.values(), key=lambda line: line["number"])
        write(self.run.folder / runs.PAGE, page(made, lines).encode("utf-8", "replace"))
        if self.asked.junit:
            write(self.asked.junit, junit(self.asked.suite.name, lines).encode())
        write(self.run.folder / runs.REPORT, json.dumps(dataclasses.asdict(made), indent=1).encode())


def planned(june: Invocation, asked: Asked) -> Planned:
    """What a run would start, without starting it."""
    engine, worker = sandbox(june, asked)
    lines = tuple(engine.describe(worker, keep=False) for _ in range(asked.workers))
    before = tuple(engine.prerequisites([worker]))
    return Planned(june.roles.profile, engine.name, (), before, lines)
