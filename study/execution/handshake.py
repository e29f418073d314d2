"""Whether Ray itself answers at a cluster's address: a proxy may listen there, and Ray would ask it for minutes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from study.errors import first_line
from study.execution.address import CLIENT, no_cluster, require_listener

ANSWER_SECONDS = 4.0


def require_cluster(address: str) -> None:
    """Make sure that the head of a cluster answers at `address`, host:port or ray://host:port.

    Raises:
        UserError: it does not within ten seconds, or it is no such address.
    """
    require_listener(address)
    ask = _ping_client_server if address.startswith(CLIENT) else _ask_head
    with without_raw_lines():
        fault = _fault_of(lambda: ask(address.removeprefix(CLIENT)))
    if fault:
        raise no_cluster(address, fault)


@contextmanager
def without_raw_lines() -> Iterator[None]:
    """Keep what Ray's C++ part writes to the process's standard error off the terminal."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _fault_of(ask: Callable[[], object]) -> str:
    """What keeps `ask` from working, in a line; empty for nothing. Its own limits may be longer than ours."""
    faults = [f"nothing came back within {ANSWER_SECONDS:.0f} s"]

    def attempt() -> None:
        try:
            ask()
            faults.clear()
        except Exception as error:  # of Ray's and gRPC's own kinds
            details = getattr(error, "details", None)
            faults[:] = [str(details()) if callable(details) else first_line(error)]

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return faults[0] if faults else ""


def _ask_head(address: str) -> None:
    """Ask the head of a cluster for the cluster's identity."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    GcsClient(address=address)


def _ping_client_server(address: str) -> None:
    """Ask the server of Ray Client for a sign of life, as the client does first."""
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc

    channel = init_grpc_channel(address, asynchronous=False)
    try:
        ping = ray_client_pb2.ClusterInfoRequest(type=ray_client_pb2.ClusterInfoType.PING)
        stub = ray_client_pb2_grpc.RayletDriverStub(channel)
        stub.ClusterInfo(ping, timeout=2 * ANSWER_SECONDS, metadata=[("client_id", "ser-study")])
    finally:
        channel.close()
