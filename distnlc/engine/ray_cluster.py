"""What the executor asks of a Ray cluster: its places for workers, whether a node lives, what an error tells.

In: the ray module, connected; errors that it raised. Out: plain values. Ray learns only some 15 s after a machine has
gone that it is gone, and says until then that a worker's process died or does not answer; so the node itself is asked.
"""

import socket
from collections.abc import Mapping
from typing import Any

ANSWER_S = 1.0
"""Time for a node to take a connection."""
REASON_CHARACTERS = 300


def living_nodes(ray: Any) -> dict[str, Mapping[str, float]]:
    """Node id -> what the node has (CPU, GPU and others), taken or not, of the nodes that are alive to Ray."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def lives(ray: Any, node: str) -> bool:
    """Whether the node with this id is there now: it is known, and its raylet takes a connection."""
    for known in ray.nodes():
        if known["NodeID"] == node and known["Alive"]:
            try:
                socket.create_connection((known["NodeManagerAddress"], known["NodeManagerPort"]), ANSWER_S).close()
            except OSError:
                return False
            return True
    return False


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
