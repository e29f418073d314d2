"""A study on an MLflow server over PostgreSQL: what is there in the end, however often the server was killed."""

import http.server
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.record.events import Event
from study.record.plan import Plan
from study.report.view import ReportView
from study.tracking.tracker import Tracker
from tests.plugins.mlflow_server import MlflowServer, free_port, postgresql
from tests.plugins.study_process import here

MakePlan = Callable[..., Plan]
MakeLedger = Callable[..., list[Event]]
MakeView = Callable[..., ReportView]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A running MLflow server on PostgreSQL; a test that kills it has to start it again."""
    with postgresql() as database:
        server = MlflowServer(database, tmp_path_factory.mktemp("server"))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def server(mlflow_server: MlflowServer) -> Iterator[MlflowServer]:
    """The server, running again after the test if the test left it dead."""
    yield mlflow_server
    if not mlflow_server.is_running():
        mlflow_server.start()


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri)


def runs(server: MlflowServer, study: str) -> list[Any]:
    store = client(server.uri)
    experiments = [experiment.experiment_id for experiment in store.search_experiments()]
    return list(store.search_runs(experiments, f"tags.study = '{study}'", max_results=1000))


def contents(server: MlflowServer, study: str) -> dict[str, Any]:
    """Every run of a study by its name, with what a reader sees but for times and ids; a name found twice fails."""
    found = runs(server, study)
    names = {run.info.run_id: run.info.run_name for run in found}
    assert max(Counter(names.values()).values()) == 1
    return {
        run.info.run_name: (
            run.info.status,
            run.data.params,
            {
                name: [(point.step, point.value) for point in points]
                for name in run.data.metrics
                for points in [client(server.uri).get_metric_history(run.info.run_id, name)]
            },
            {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId", "kept in", "study")},
            names.get(run.data.tags.get("mlflow.parentRunId")),
        )
        for run in found
    }


def feed(tracker: Tracker, events: list[Event]) -> None:
    for event in events:
        tracker(event)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.time() + 180
    while not condition():
        assert time.time() < deadline, "the tracker did not come so far within three minutes"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(
    mlflow_server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> dict[str, Any]:
    """What the server holds of a study that nothing happened to."""
    events = make_ledger()
    tracker = Tracker(mlflow_server.uri, tmp_path_factory.mktemp("undisturbed"), make_plan(name="toy-0-cross"))
    feed(tracker, events)
    assert tracker.finish(make_view(events)).warning == ""
    return contents(mlflow_server, "toy-0-cross")


def test_a_study_is_nested_and_complete_on_postgresql(undisturbed: dict[str, Any]) -> None:
    assert Counter(status for status, *_ in undisturbed.values()) == {"FINISHED": 9, "KILLED": 6, "FAILED": 2}
    assert undisturbed["cross"][4] is None
    assert {seen[4] for name, seen in undisturbed.items() if name.startswith("cross c")} == {"cross"}
    assert undisturbed["fold 2 c001 cross"][4] == "cross c001 selected"


def test_a_server_killed_in_the_middle_has_everything_once_when_it_is_back_although_nothing_new_happens(
    server: MlflowServer,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> None:
    events = make_ledger()
    tracker = Tracker(server.uri, tmp_path, make_plan(name="toy-back-cross"))
    feed(tracker, events[:18])
    wait_for(lambda: len(runs(server, "toy-back-cross")) > 2)  # it is writing now
    server.kill()
    started = time.perf_counter()
    feed(tracker, events[18:])
    assert time.perf_counter() - started < 0.1, "a study does not wait for a server"
    time.sleep(2)  # attempts that fail
    server.start()
    wait_for(lambda: len(runs(server, "toy-back-cross")) == len(undisturbed))
    assert tracker.finish(make_view(events)).warning == ""
    assert contents(server, "toy-back-cross") == undisturbed


class AnswerLosingProxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on; of every third new run, the server's answer is lost on the way back."""

    upstream = ""
    created = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        request = urllib.request.Request(self.upstream + self.path, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if self.path.endswith("runs/create"):
            type(self).created += 1
            if self.created % 3 == 0:
                self.close_connection = True
                return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_answer_that_is_lost_makes_no_second_run(
    server: MlflowServer,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> None:
    AnswerLosingProxy.upstream = server.uri
    events = make_ledger()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), AnswerLosingProxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        for _ in range(4):  # a study that is continued until nothing is missing
            tracker = Tracker(f"http://127.0.0.1:{proxy.server_port}", tmp_path, make_plan(name="toy-lost-cross"))
            feed(tracker, events)
            if tracker.finish(make_view(events)).warning == "":
                break
        proxy.shutdown()
        thread.join()
    assert AnswerLosingProxy.created == 17, "what arrived is not sent again, though its answer was lost"
    assert contents(server, "toy-lost-cross") == undisturbed


def test_a_process_that_was_killed_and_continued_leaves_nothing_running(
    server: MlflowServer,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> None:
    plan, events = make_plan(name="toy-killed-cross"), make_ledger()
    process = os.fork()
    if not process:
        feed(Tracker(server.uri, tmp_path, plan), events[:20])
        time.sleep(600)
    wait_for(lambda: len(runs(server, "toy-killed-cross")) > 1)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    statuses = {run.info.status for run in runs(server, "toy-killed-cross")}
    assert "RUNNING" in statuses, "a killed process cannot mark its runs as ended"
    continued = Tracker(server.uri, tmp_path, plan)
    feed(continued, events)
    assert continued.finish(make_view(events)).warning == ""
    assert contents(server, "toy-killed-cross") == undisturbed


def test_a_server_that_stays_away_costs_one_line_and_the_next_start_writes_what_is_missing(
    server: MlflowServer,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    make_plan: MakePlan,
    make_ledger: MakeLedger,
    make_view: MakeView,
) -> None:
    events = make_ledger()
    tracker = Tracker(server.uri, tmp_path, make_plan(name="toy-away-cross"))
    feed(tracker, events[:20])
    wait_for(lambda: len(runs(server, "toy-away-cross")) > 1)
    server.kill()
    feed(tracker, events[20:])
    started = time.monotonic()
    warning = tracker.finish(make_view(events)).warning
    assert time.monotonic() - started < 30
    assert "does not hold all of this study" in warning
    assert "\n" not in warning
    server.start()
    again = Tracker(server.uri, tmp_path, make_plan(name="toy-away-cross"))
    feed(again, events)
    assert again.finish(make_view(events)).warning == ""
    assert contents(server, "toy-away-cross") == undisturbed


def test_a_server_that_is_down_at_the_start_costs_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = here(capsys, "run", "--tracking-uri", f"http://127.0.0.1:{free_port()}")
    assert code == 2
    assert error.count("\n") == 1
    assert "expects a running MLflow server" in error
    assert not list(tmp_path.glob("mlruns/studies/*"))
