"""Whether a cluster may listen at a cluster's address: Ray itself would try for minutes, and print its own lines."""

from __future__ import annotations

import os
import re
import socket

from study.errors import UserError

LISTEN_SECONDS = 2.5
# Ray speaks gRPC, hence HTTP/2: a client's greeting is answered by a frame of the type SETTINGS.
# Source: RFC 9113, sections 3.4, 4.1 and 6.5.
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS
FRAME_HEADER, TYPE_AT = len(SETTINGS), 3
CLIENT = "ray://"
AUTO, LOCAL = "auto", "local"
# Set by `ray job submit` for the command that it runs.
JOB_MARK = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def chosen_address(given: str | None) -> str:
    """The address that the option or RAY_ADDRESS gives; without both that of the cluster of a job, or LOCAL."""
    return given or os.environ.get("RAY_ADDRESS") or (AUTO if JOB_MARK in os.environ else LOCAL)


def is_client_address(given: str | None) -> bool:
    """Whether the cluster that is asked for is reached by Ray Client only."""
    return chosen_address(given).startswith(CLIENT)


def require_listener(address: str) -> None:
    """Make sure that a server like Ray's listens at `address`, host:port or ray://host:port.

    Raises:
        UserError: none does within five seconds (connection and answer), or it is no such address.
    """
    found = re.fullmatch(r"\[?(.+?)\]?:(\d{1,5})", address.removeprefix(CLIENT))
    if found is None or not 0 < int(found[2]) < 2**16:
        raise no_cluster(address, "it is no host:port")
    try:
        with socket.create_connection((found[1], int(found[2])), LISTEN_SECONDS) as connection:
            connection.sendall(GREETING)
            answer = connection.recv(FRAME_HEADER) if "RAY_USE_TLS" not in os.environ else SETTINGS
    except (OSError, UnicodeError) as error:
        raise no_cluster(address, getattr(error, "strerror", None) or str(error)) from None
    if answer[TYPE_AT : TYPE_AT + 1] != SETTINGS[TYPE_AT : TYPE_AT + 1]:
        raise no_cluster(address, "what listens there is no part of Ray")


def no_cluster(address: str, reason: str) -> UserError:
    """The exception to raise where no cluster answers at `address`."""
    port = "; its Ray Client port is 10001 unless `ray start` was given another" if CLIENT in address else ""
    return UserError(
        f"--address expects a running Ray cluster, as {AUTO}, host:port or {CLIENT}host:port; {address} did not answer "
        f"({(reason or 'no reason given').splitlines()[0]}{port}); start one with `ray start --head`, or leave "
        "--address and RAY_ADDRESS out to use this machine"
    )
