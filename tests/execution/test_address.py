"""Addresses of clusters: one line within seconds where no Ray answers, before Ray is asked."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from study.errors import UserError
from study.execution import address as addresses
from study.execution import handshake
from study.execution.address import SETTINGS, require_listener
from study.execution.connection import check_address
from study.execution.handshake import require_cluster
from study.execution.remote_driver import run_on_head
from tests.plugins.mlflow_server import free_port


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """A server that gives one `answer` to each connection and keeps it open; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def serve() -> None:
            while True:
                try:
                    kept.append(listening.accept()[0])
                except OSError:
                    return
                kept[-1].sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in kept:
                each.close()


def refusal(address: str) -> str:
    with pytest.raises(UserError) as refused:
        require_listener(address)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(
        f"--address expects a running Ray cluster, as auto, host:port or ray://host:port; {address} "
    )
    return line


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_gone_is_one_line_at_once(scheme: str) -> None:
    started = time.monotonic()
    assert "Connection refused" in refusal(f"{scheme}127.0.0.1:{free_port()}")
    assert time.monotonic() - started < 1


def test_ray_is_not_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray Client would try three times thirty seconds, and the address may come from the environment."""
    gone = f"ray://127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match="10001"):
        run_on_head(gone, ["run"], print)
    monkeypatch.setenv("RAY_ADDRESS", gone.removeprefix("ray://"))
    with pytest.raises(UserError, match="Connection refused"):
        check_address(None)
    monkeypatch.delenv("RAY_ADDRESS")
    check_address(None)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_server_that_greets_like_ray_and_answers_nothing_more_is_one_line(
    scheme: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a proxy before a cluster that is gone; Ray Client would try for a minute and a half."""
    monkeypatch.setattr(handshake, "ANSWER_SECONDS", 1)
    with server(SETTINGS) as address, pytest.raises(UserError) as refused:
        require_cluster(f"{scheme}{address}")
    line = str(refused.value)
    assert "nothing came back within 1 s" in line
    assert "\n" not in line
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "http://127.0.0.1/:x"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    assert "it is no host:port" in refusal(address)


def test_a_name_that_no_host_has_is_refused() -> None:
    refusal(f"{'x' * 70}.invalid:6379")


def test_a_server_of_another_kind_is_told_from_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LISTEN_SECONDS", 0.2)
    with server(b"HTTP/1.1 400 Bad Request\r\n") as address:
        assert "no part of Ray" in refusal(address)
    with server(b"") as address:
        assert "timed out" in refusal(address)
    with server(SETTINGS) as address:
        require_listener(address)
