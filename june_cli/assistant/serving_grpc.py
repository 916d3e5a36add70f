"""How a June gRPC service serves: health, reflection, bounds, errors that keep their code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from june_cli.assistant import gpu
from june_cli.assistant.ports import PORT_TAKEN_EXIT
from june_cli.assistant.rpc import CODE_KEY, EXIT_KEY, HINT_KEY, MAX_MESSAGE_BYTES, MAX_SAID, STATUS
from june_cli.assistant.serving import Place, log, stop_asked, wants_gpu
from june_cli.errors import JuneError


def serve(
    place: Place, register: Callable[[grpc.Server], str], *, workers: int = 32, queued: int = 32
) -> None:
    """Serve until asked to stop, then finish what is under way within two seconds.

    A worker mostly waits, for its turn at the model or for a live stream's next words: there are many, so
    that idle streams keep nobody from asking about the service's health.
    `register` adds the handlers and returns the full service name. More than `workers + queued` calls at once
    are refused as RESOURCE_EXHAUSTED. Ends the process with code 98 when the port is taken.
    """
    from concurrent.futures import ThreadPoolExecutor

    asked = stop_asked()
    server = grpc.server(
        ThreadPoolExecutor(workers, thread_name_prefix=place.name),
        maximum_concurrent_rpcs=workers + queued,
        options=[
            ("grpc.so_reuseport", 0),  # else two servers could share a port, each with half of the calls
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ],
    )
    name = register(server)
    checker = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    reflection.enable_server_reflection((name, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        server.add_insecure_port(f"{place.host}:{place.port}")
    except RuntimeError:
        log.error("port %d on %s is taken", place.port, place.host)
        sys.exit(PORT_TAKEN_EXIT)
    server.start()
    for served in ("", name):
        checker.set(served, health_pb2.HealthCheckResponse.SERVING)
    if wants_gpu():
        gpu.watch(lambda why: _degraded(checker, ("", name), why))
    log.info("%s serves %s on %s:%d", place.name, name, place.host, place.port)
    asked.wait()
    checker.enter_graceful_shutdown()
    server.stop(grace=2.0).wait()
    log.info("%s has stopped", place.name)


def _degraded(checker: health.HealthServicer, names: tuple[str, ...], why: str) -> None:
    """Say by the health service that calls will fail: nothing goes on with a CPU in silence."""
    log.error("the GPU is gone: %s", why)
    for name in names:
        checker.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)


@contextmanager
def explained(context: grpc.ServicerContext) -> Iterator[None]:
    """Turn a JuneError into the gRPC status that means the same, with its code beside it."""
    try:
        yield
    except JuneError as error:
        status = next((s for kind, s in STATUS.items() if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
        context.set_trailing_metadata(
            (
                (CODE_KEY, error.code),
                (EXIT_KEY, str(error.exit_code)),
                (HINT_KEY, error.hint[:MAX_SAID].encode()),
            )
        )
        context.abort(status, error.message[:MAX_SAID])
    except Exception as error:  # noqa: BLE001 - the caller gets a sentence, the log the rest
        log.exception("a call failed")
        context.abort(
            grpc.StatusCode.INTERNAL, f"the service failed ({type(error).__name__}); its log has more."
        )


def gone(context: grpc.ServicerContext) -> Callable[[], bool]:
    """Asks whether the caller has left or its deadline has passed."""
    return lambda: not context.is_active()
