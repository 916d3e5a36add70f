"""A trace a message, for OpenTelemetry: how long it took, stage by stage. What was said is not in it."""

from __future__ import annotations

from collections.abc import Callable

from june_bot.entries import STAGES, Entry

NS = 1_000_000_000


def to(url: str, platform: str) -> Callable[[Entry], None]:
    """What sends a finished message's trace to a collector; nothing where no address is configured.

    A collector that does not answer costs nothing but its traces: they are sent aside, and bounded.
    """
    if not url:
        return lambda _: None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"june-{platform}"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5), schedule_delay_millis=1000)
    )
    tracer = provider.get_tracer("june.bot")

    def send(entry: Entry) -> None:
        facts: dict[str, str | int] = {
            "june.message": entry.id,
            "june.kind": entry.incoming.kind,
            "june.state": entry.state,
        }
        if entry.error_id:
            facts["june.error_id"] = entry.error_id
        began = int(entry.received_at * NS)
        whole = tracer.start_span("message", start_time=began, attributes=facts)
        within = trace.set_span_in_context(whole)
        for stage in (stage for stage in STAGES if stage in entry.ended):
            ended = int(entry.ended[stage] * NS)
            tracer.start_span(stage, context=within, start_time=began).end(ended)
            began = ended
        whole.end(began)

    return send
