"""The machines of a cluster: which are up, and whether they share the study's folder."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.errors import UserError
from study.execution.places import Nodes

PROBE_SECONDS = 60.0


def alive_nodes() -> list[dict[str, Any]]:
    """The entries of `ray.nodes()` for the machines that are up."""
    return [node for node in ray.nodes() if node["Alive"]]


def require_shared_storage(folder: Path) -> bool:
    """Make sure that machines share the study's `folder`: each can read files of this one there, and this one theirs.

    Gives whether there are several machines.

    Raises:
        UserError: a machine cannot, or does not answer within a minute, or cannot import this project.
    """
    nodes = alive_nodes()
    if len(nodes) < 2:
        return False
    if faults := storage_faults(folder, nodes):
        first, *more = faults.values()
        others = f" (and {len(more)} more)" if more else ""
        raise UserError(
            f"every machine of a cluster reads and writes the study's folder {folder}; {first}{others}; "
            "give --output a folder on storage that all of them share, and install the project on each"
        )
    return True


def storage_faults(folder: Path, nodes: Nodes) -> dict[str, str]:
    """What keeps some of `nodes` from sharing `folder`, by the ids of those nodes, each with the machine's name."""
    probe = folder / f".probe-{secrets.token_hex(4)}"
    probe.mkdir()
    try:
        (probe / "driver").write_text(probe.name, encoding="utf-8")
        return _faults(probe, nodes)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def leave_mark(probe: str, mark: str) -> str:
    """Runs on a machine: read the driver's file in `probe`, write `mark`, and return the fault or an empty string."""
    folder = Path(probe)
    try:
        if (folder / "driver").read_text(encoding="utf-8") != folder.name:
            return "it reads something else there"
    except OSError as error:
        return f"it cannot read there ({error.strerror})"
    try:
        (folder / mark).write_text(mark, encoding="utf-8")
    except OSError as error:
        return f"it cannot write there ({error.strerror})"
    return ""


def reason_of(error: Exception) -> str:
    """What went wrong on another machine, from the many lines that Ray makes of it: the last, or the missing module."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = [line for line in lines if "No module named" in line]
    return (missing or lines or [type(error).__name__])[-1]


def _faults(probe: Path, nodes: Nodes) -> dict[str, str]:
    asked = {}
    for node in nodes:
        # Without a core, so that busy machines answer too.
        only_there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        remote = ray.remote(num_cpus=0, max_retries=1, scheduling_strategy=only_there)(leave_mark)
        asked[remote.remote(str(probe), node["NodeID"])] = node
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)
    faults = [_fault(answer if answer in done else None, node, probe) for answer, node in asked.items()]
    still_up = {node["NodeID"] for node in alive_nodes()}
    found = zip(asked.values(), faults, strict=True)
    return {node["NodeID"]: f"{_name(node)}: {fault}" for node, fault in found if fault and node["NodeID"] in still_up}


def _fault(answer: Any, node: Mapping[str, Any], probe: Path) -> str:
    if answer is None:
        return f"it did not answer within {PROBE_SECONDS:.0f} s"
    try:
        fault = str(ray.get(answer))
    except Exception as error:  # a broken installation on the machine can raise anything
        return reason_of(error)
    if fault:
        return fault
    try:
        arrived = (probe / node["NodeID"]).read_text(encoding="utf-8") == node["NodeID"]
    except OSError:
        arrived = False
    return "" if arrived else "files that it writes there do not appear here"


def _name(node: Mapping[str, Any]) -> str:
    host, address = node.get("NodeManagerHostname", ""), node.get("NodeManagerAddress", "")
    return f"{host} ({address})" if host and host != address else str(address)
