"""Questions to a Ray cluster: its places for workers, which nodes live, what an error means.

In: the ray module, connected; errors that it raised. Out: plain values. Ray takes some 15 s to notice that a machine
is gone, and until then reports that a worker's process died or does not answer; so the node itself is asked. Without
the cluster's head every call of Ray blocks; so these functions first check that the head is there.
"""

import socket
from collections.abc import Mapping
from typing import Any

ANSWER_S = 1.0
"""how long a machine may take to accept a connection"""
REASON_CHARACTERS = 300


def head_answers(ray: Any) -> bool:
    """Whether the cluster's head is there."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return _answers(host.strip("[]"), int(port))


def own_node(ray: Any) -> str:
    """The id of the node through which this process has joined the cluster, and on which it depends."""
    return str(ray.get_runtime_context().get_node_id())


def living_nodes(ray: Any) -> dict[str, Mapping[str, float]]:
    """Node id -> resources (CPU, GPU and others), in use or not, of the nodes that Ray believes alive.

    Only while the head answers; otherwise it blocks.
    """
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def lives(ray: Any, node: str) -> bool:
    """Whether the node with this id is there now: Ray knows it, and its raylet accepts a connection."""
    return any(
        known["NodeID"] == node and known["Alive"] and _answers(known["NodeManagerAddress"], known["NodeManagerPort"])
        for known in _nodes(ray)
    )


def address_of(ray: Any, node: str) -> str:
    """The machine's address, for people; the node's id if Ray no longer knows it."""
    return next((str(known["NodeManagerAddress"]) for known in _nodes(ray) if known["NodeID"] == node), node)


def _nodes(ray: Any) -> list[dict[str, Any]]:
    """All nodes that the cluster knows, dead ones included; none without a head."""
    return list(ray.nodes()) if head_answers(ray) else []


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), ANSWER_S).close()
    except OSError:
        return False
    return True


def is_own_failure(ray: Any, error: Exception) -> bool:
    """Whether a worker failed to start through its own fault, not that of its node or the node's other processes."""
    if isinstance(error, ray.exceptions.OutOfMemoryError | ray.exceptions.ActorUnavailableError):
        return False
    return "node has died" not in str(error)


def why_died(ray: Any, error: Exception) -> str:
    """The cause of a death, '' if it is not known."""
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"out of memory: {_first_line(error)}"
    if isinstance(error, ray.exceptions.RayActorError):
        return ""
    return f"{type(error).__name__}: {_first_line(error)}"


def short(error: BaseException) -> str:
    """Type and last line of a Ray error, whose message runs over many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:REASON_CHARACTERS]
