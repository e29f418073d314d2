"""Studies on clusters of several machines, imitated on this one: real Ray processes, only the GPUs are made up."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.fault_study import write_corpus
from benchmarks.fault_targets import workers_of
from study.execution.cluster import leave_mark
from tests.plugins.mlflow_server import free_port
from tests.plugins.study_process import with_packages_of_its_own

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--variant", "text", "--finalists", "1", "--audio-encoder", "logmel", "--text-encoder", "hash"]
# Makes Ray listen on loopback alone; workers then find the project as if it were installed.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
# On loopback; what is asked for by default differs between machines that have a token and those that have none.
LOOPBACK["RAY_AUTH_MODE"] = "disabled"
THREE_NODES = """
import sys
from ray.cluster_utils import Cluster
here = {"node_ip_address": "127.0.0.1", "num_gpus": 1}
cluster = Cluster(initialize_head=True, head_node_args={**here, "num_cpus": 1, "include_dashboard": False})
print(cluster.address, flush=True)
sys.stdin.readline()
others = [cluster.add_node(num_cpus=1, **here) for _ in range(2)]
cluster.wait_for_nodes()
print("joined", flush=True)
sys.stdin.readline()
cluster.remove_node(others[0], allow_graceful=False)
print("removed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""
# On a machine with nothing else to do it takes less than fifteen seconds.
SECONDS_TO_JOIN = 60.0


def environment(**more: str) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}, **LOOPBACK, **more}


def ray_command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
    return subprocess.run(line, env=environment(**more), cwd=ROOT, capture_output=True, text=True, timeout=300)


def study_command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "study" / "run.py"), *SMALL, *map(str, arguments)]


def ledger(folder: Path) -> list[dict[str, Any]]:
    path = folder / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, f"it did not come so far within {seconds:.0f} s"
        time.sleep(0.1)


def test_a_machine_says_what_keeps_it_from_sharing(tmp_path: Path) -> None:
    assert leave_mark(str(tmp_path / "nowhere"), "me") == "it cannot read there (No such file or directory)"
    (tmp_path / "driver").write_text("another study's probe")
    assert leave_mark(str(tmp_path), "me") == "it reads something else there"
    (tmp_path / "driver").write_text(tmp_path.name)
    assert leave_mark(str(tmp_path), "me/too") == "it cannot write there (No such file or directory)"
    assert leave_mark(str(tmp_path), "me") == ""
    assert (tmp_path / "me").read_text() == "me"


def test_ray_accepts_the_cluster_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(yaml.safe_load((ROOT / "cluster" / "ray-up.yaml").read_text())))


def test_the_kubernetes_job_has_the_fields_of_its_kind() -> None:
    job = yaml.safe_load((ROOT / "cluster" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    groups = [job["spec"]["rayClusterSpec"]["headGroupSpec"], *job["spec"]["rayClusterSpec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (mount,) = [m for c in pod["containers"] for m in c["volumeMounts"]]
        assert mount["name"] in {volume["name"] for volume in pod["volumes"]}
        assert f"--output {mount['mountPath']}/" in job["spec"]["entrypoint"], "results belong on the shared volume"
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("script", ["slurm.sh", "start-ray.sh"])
def test_the_scripts_are_shell_scripts(script: str) -> None:
    assert subprocess.run(["bash", "-n", ROOT / "cluster" / script]).returncode == 0


# Stands for `ray`, `nvidia-smi` and the daemon of MPS: writes down how it is called.
WITNESS = """#!/bin/bash
echo "$(basename "$0") $* pipes=$CUDA_MPS_PIPE_DIRECTORY" >> {log}
[[ $(basename "$0") == nvidia-smi ]] && printf 'GPU 0: one\\nGPU 1: two\\n'
exit {code}
"""


@pytest.mark.parametrize("runs_already", [False, True])
@pytest.mark.parametrize(
    ("slurm", "gpus", "counts"),
    [
        ({}, 2, ""),  # Ray counts by itself
        ({}, 0, ""),
        (
            {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "12", "SLURM_GPUS_ON_NODE": "3"},
            2,
            "--num-cpus=12 --num-gpus=3 ",
        ),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4"}, 0, "--num-cpus=4 --num-gpus=0 "),
    ],
)
def test_each_machine_starts_mps_before_ray_if_it_has_gpus_and_counts_its_own(
    tmp_path: Path, slurm: dict[str, str], gpus: int, counts: str, runs_already: bool
) -> None:
    log, pipes = tmp_path / "log", tmp_path / "pipes"
    for name in ["ray", *(["nvidia-smi", "nvidia-cuda-mps-control"] if gpus else [])]:
        code = int(runs_already and name == "nvidia-cuda-mps-control")
        (tmp_path / name).write_text(WITNESS.format(log=log, code=code))
        (tmp_path / name).chmod(0o755)
    line = ["bash", ROOT / "cluster" / "start-ray.sh", "--block", "--address=head:6379"]
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CUDA_MPS_PIPE_DIRECTORY": str(pipes), **slurm}
    assert subprocess.run(line, env=given).returncode == 0
    begun = [each for each in log.read_text().splitlines() if not each.startswith("nvidia-smi")]
    assert begun[-1] == f"ray start {counts}--block --address=head:6379 pipes={pipes}", "workers find the daemon"
    assert begun[:-1] == ([f"nvidia-cuda-mps-control -d pipes={pipes}"] if gpus else [])
    assert pipes.is_dir() == bool(gpus)


def test_every_start_has_mps_and_counts_gpus_on_their_machine() -> None:
    slurm, up = ((ROOT / "cluster" / name).read_text() for name in ("slurm.sh", "ray-up.yaml"))
    for text in (slurm, up):
        assert "ray start" not in text, "start-ray.sh does it"
        assert "cluster/start-ray.sh" in text
    job = yaml.safe_load((ROOT / "cluster" / "rayjob.yaml").read_text())
    (workers,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"]
    assert workers["minReplicas"] >= 1, "extraction asks an autoscaler for nothing"
    (container,) = workers["template"]["spec"]["containers"]
    assert "nvidia-cuda-mps-control -d" in str(container["lifecycle"]["postStart"])


@pytest.mark.slow
def test_machines_that_join_train_and_a_lost_one_costs_no_configuration_and_doubles_nothing(
    iemocap_release: Path, tmp_path: Path
) -> None:
    line = [sys.executable, "-c", THREE_NODES]
    pipe = subprocess.PIPE
    nodes = subprocess.Popen(
        line, env=environment(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )
    assert nodes.stdin is not None
    assert nodes.stdout is not None
    driver, stopped = None, []
    try:
        address = nodes.stdout.readline().strip()
        options = ["--configs", "4", "--epochs", "12", "--seeds", "1", "--gpus-per-run", "0.5", "--name", "lost"]
        options += ["--corpus", str(iemocap_release), "--output", str(tmp_path), "--address", address]
        driver = subprocess.Popen(
            study_command(*options), env=environment(TMPDIR=str(tmp_path)), stdout=pipe, stderr=subprocess.STDOUT,
            text=True, cwd=with_packages_of_its_own(tmp_path / "cwd"),
        )  # fmt: skip
        folder = tmp_path / "studies" / "lost"
        wait_for(lambda: driver.poll() is not None or len(ledger(folder)) > 2)
        # While the only slot stands still, what is recorded comes from machines that have joined.
        stopped = workers_of(nodes.pid)
        assert len(stopped) == 1
        os.kill(stopped[0], signal.SIGSTOP)
        time.sleep(1.0)
        still = len(ledger(folder))
        print("x", file=nodes.stdin)
        assert nodes.stdout.readline().strip() == "joined"
        wait_for(lambda: driver.poll() is not None or len(ledger(folder)) > still + 1, SECONDS_TO_JOIN)
        os.kill(stopped[0], signal.SIGCONT)
        wait_for(lambda: driver.poll() is not None or len(ledger(folder)) > 15)
        print("x", file=nodes.stdin)
        assert nodes.stdout.readline().strip() == "removed"
        before = len(ledger(folder))
        output, _ = driver.communicate(timeout=300)
        assert driver.returncode == 0, output
    finally:
        if driver is not None and driver.poll() is None:
            driver.kill()
        for worker in stopped:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        nodes.communicate("x\n", timeout=60)
    records = ledger(folder)
    assert "machines have changed: 3 runs at once from now on" in output
    assert before < len(records), "the machine was lost in the middle"
    epochs = [(r["config"], r["fold"], r["seed"], r["epoch"]) for r in records if r["kind"] == "epoch"]
    assert max(Counter(epochs).values()) == 1
    outcomes = {r["config"]: r["outcome"] for r in records if r["kind"] == "closed"}
    assert sorted(outcomes) == [0, 1, 2, 3]
    assert set(outcomes.values()) <= {"complete", "stopped"}
    assert not [r for r in records if r["kind"] == "lost"]
    assert not (folder / "failures").exists()
    for config in (config for config, outcome in outcomes.items() if outcome == "complete"):
        ended = [r for r in records if r["kind"] == "epoch" and r["config"] == config and r["ended"] and not r["seed"]]
        assert sorted(r["fold"] for r in ended) == [0, 1, 2, 3, 4]


@pytest.fixture
def head(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A stock `ray start --head` with dashboard and Ray Client, on loopback; its addresses."""
    gcs, dashboard, client = free_port(), free_port(), free_port()
    temporary = Path("/tmp") / f"ray-{gcs}"  # its sockets' paths must be short
    line = ["start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={gcs}", "--num-cpus=1"]
    line += [f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", f"--temp-dir={temporary}"]
    line += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"]
    with (tmp_path / "head.log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *line], env=environment(), stdout=log, stderr=log
        )
    try:
        wait_for(lambda: started.poll() is not None or b"Ray runtime started" in (tmp_path / "head.log").read_bytes())
        assert started.poll() is None, (tmp_path / "head.log").read_text()
        yield {
            "gcs": f"127.0.0.1:{gcs}",
            "dashboard": f"http://127.0.0.1:{dashboard}",
            "client": f"ray://127.0.0.1:{client}",
        }
    finally:
        started.terminate()  # `ray start --block` ends its children with it
        started.wait(timeout=60)
        subprocess.run(["rm", "-rf", temporary], check=True)


@pytest.mark.slow
def test_one_head_takes_jobs_and_drivers_by_client(head: dict[str, str], tmp_path: Path) -> None:
    options = ["--configs", "1", "--epochs", "1", "--seeds", "0", "--corpus", str(write_corpus(tmp_path / "words"))]
    options += ["--name", "both"]
    job = [*study_command(*options, "--output", tmp_path / "job")]
    job[1] = "study/run.py"  # in the folder that is submitted
    submitted = ray_command("job", "submit", "--working-dir", ".", "--", *job, RAY_API_SERVER_ADDRESS=head["dashboard"])
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    line = study_command(*options, "--output", tmp_path / "client", "--address", head["client"])
    elsewhere = with_packages_of_its_own(tmp_path / "cwd")
    finished = subprocess.run(line, env=environment(), cwd=elsewhere, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "text tuned" in finished.stdout

    def facts(name: str) -> list[str]:
        records = ledger(tmp_path / name / "studies" / "both")
        return sorted(json.dumps({k: v for k, v in record.items() if k != "seconds"}) for record in records)

    assert facts("job") == facts("client")
    assert sum('"ended": true' in fact for fact in facts("job")) >= 5
