"""A stand-in for Ray and for the clock, for tests of the fleet of workers."""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from distnlc.engine.ray_fleet import Fleet
from distnlc.versions import Code, code_of
from tests.helpers.toys import square

Cluster = Callable[[int], "Ray"]
OWN = "node of the driver"


class Ray:
    """A cluster of one machine with so many cores, whose head is a socket."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, cores: int) -> None:
        self.head = socket.create_server(("127.0.0.1", 0))
        self.address = self.head.getsockname()
        self.living: dict[str, dict[str, int]] = {OWN: {"CPU": cores}}
        self.util = self
        self.groups: dict[str, str] = {}
        """id of each placement group of one GPU -> the node where it is"""
        self.others = Counter[str]()
        """GPUs of each node that are somebody else's"""
        self.fault = ""
        """of a worker's GPU"""
        self.exported = 0
        self.options: dict[str, Any] = {}
        self.other_code: dict[str, Any] = {}
        """in which the workers' code differs from the driver's"""

    def nodes(self) -> list[dict[str, Any]]:
        assert self.head.fileno() >= 0, "without a head this would wait for ever"
        return [
            {"NodeID": node, "Alive": True, "Resources": resources, "NodeManagerAddress": "192.0.2.7"}
            for node, resources in self.living.items()
        ]

    def get_runtime_context(self) -> SimpleNamespace:
        host, port = self.address
        return SimpleNamespace(gcs_address=f"{host}:{port}", get_node_id=lambda: OWN)

    def remote(self, _: type) -> Any:
        self.exported += 1

        def start(*_: object) -> SimpleNamespace:
            assert self.head.fileno() >= 0, "without a head this would wait for ever"
            return SimpleNamespace(whereabouts=SimpleNamespace(remote=tuple))

        def options(**options: object) -> SimpleNamespace:
            self.options = options
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)

    def get(self, packages: tuple[str, ...]) -> tuple[str, str, str, list[Code]]:
        return OWN, "machine", self.fault, [replace(code_of(name), **self.other_code) for name in packages]

    def placement_group(self, bundles: list[dict[str, int]]) -> SimpleNamespace:
        assert bundles == [{"GPU": 1}]
        name = f"group{len(self.groups)}"
        self.groups[name] = ""
        return SimpleNamespace(id=SimpleNamespace(hex=lambda: name))

    def remove_placement_group(self, group: SimpleNamespace) -> None:
        self.groups[group.id.hex()] = "removed"

    def placement_group_table(self) -> dict[str, Any]:
        """Places what can be placed, as Ray does by itself: nodes in their order."""
        for name, node in self.groups.items():
            if node != "removed" and node not in self.living:
                taken = Counter(self.groups.values()) + self.others
                free = [each for each, has in self.living.items() if taken[each] < has.get("GPU", 0)]
                self.groups[name] = free[0] if free else ""
        return {name: {"bundles_to_node_id": {0: node}} for name, node in self.groups.items()}

    def kill(self, _: object) -> None:
        """Nothing comes of it."""


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def fleet_of(ray: Ray) -> Fleet:
    fleet = Fleet(ray, square, None)
    fleet.follow()
    for worker in fleet.workers:
        fleet.welcome(worker)
    return fleet


def look(fleet: Fleet, clock: Clock, after_s: float) -> None:
    clock.now += after_s
    fleet.follow()
