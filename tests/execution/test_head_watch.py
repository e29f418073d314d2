"""A head that is lost ends the study with a line, and one that is there, or comes back, does not."""

import socket
import time
from threading import Event

from study.execution.head_watch import HeadWatch


def address_of(head: socket.socket) -> str:
    return f"127.0.0.1:{head.getsockname()[1]}"


def test_a_head_that_is_gone_is_said_once() -> None:
    reasons, lost = [], Event()

    def end(reason: str) -> None:
        reasons.append(reason)
        lost.set()

    with socket.create_server(("127.0.0.1", 0)) as head:
        address = address_of(head)
        watch = HeadWatch(address, 0.1, end)
        with watch:
            time.sleep(0.4)
            assert not reasons
            head.close()
            assert lost.wait(10)
            time.sleep(0.3)
    assert reasons == [
        f"a study needs its Ray cluster, and its head at {address} has not answered for 0.1 s; "
        "everything on record is intact"
    ]


def test_nothing_is_said_after_the_end() -> None:
    reasons: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as head, HeadWatch(address_of(head), 0.1, reasons.append):
        pass
    time.sleep(0.3)
    assert reasons == []
