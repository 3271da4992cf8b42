"""What the executor asks of a Ray cluster: its places for workers, who still lives, what an error tells.

In: the ray module, connected; errors that it raised. Out: plain values. Ray learns only some 15 s after a machine has
gone that it is gone, and says until then that a worker's process died or does not answer; so the node itself is asked.
Without the cluster's head Ray answers nothing at all, and waits; so it is asked first whether the head is there.
"""

import socket
from collections.abc import Mapping
from typing import Any

ANSWER_S = 1.0
"""Time for a machine to take a connection."""
REASON_CHARACTERS = 300


def head_answers(ray: Any) -> bool:
    """Whether the cluster's head is there."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return _answers(host.strip("[]"), int(port))


def own_node(ray: Any) -> str:
    """The id of the node through which this process has joined the cluster; it cannot do without it."""
    return str(ray.get_runtime_context().get_node_id())


def living_nodes(ray: Any) -> dict[str, Mapping[str, float]]:
    """Node id -> what the node has (CPU, GPU and others), taken or not, of the nodes that are alive to Ray.

    To be called while the head answers; else it waits.
    """
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def lives(ray: Any, node: str) -> bool:
    """Whether the node with this id is there now: it is known, and its raylet takes a connection."""
    return any(
        known["NodeID"] == node and known["Alive"] and _answers(known["NodeManagerAddress"], known["NodeManagerPort"])
        for known in _nodes(ray)
    )


def address_of(ray: Any, node: str) -> str:
    """The machine's address, for people; the node's id if it is not known any more."""
    return next((str(known["NodeManagerAddress"]) for known in _nodes(ray) if known["NodeID"] == node), node)


def _nodes(ray: Any) -> list[dict[str, Any]]:
    """All that the cluster knows, the dead included; none without a head."""
    return list(ray.nodes()) if head_answers(ray) else []


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), ANSWER_S).close()
    except OSError:
        return False
    return True


def is_own_failure(ray: Any, error: Exception) -> bool:
    """Whether a worker that did not start has itself to blame, and not its node or the node's other processes."""
    if isinstance(error, ray.exceptions.OutOfMemoryError | ray.exceptions.ActorUnavailableError):
        return False
    return "node has died" not in str(error)


def why_died(ray: Any, error: Exception) -> str:
    """What is known of a death beyond that it happened, '' if nothing is."""
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"out of memory: {_first_line(error)}"
    if isinstance(error, ray.exceptions.RayActorError):
        return ""
    return f"{type(error).__name__}: {_first_line(error)}"


def short(error: BaseException) -> str:
    """Type and last line of a Ray error, whose messages run over many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:REASON_CHARACTERS]
