"""Which places the whole of a gradient passes, on its way from an error down to the inputs.

In: the graph of operations that autograd has recorded. Out: the number of different ways from the error to the inputs,
and how many of them pass a place. Where all of them do, everything that the error learns of the inputs goes through
that place: so it is between the layers of a chain and between the blocks of a residual network, and not inside a block.
The numbers grow as powers of the number of blocks, and are whole numbers of any size.
"""

from collections import defaultdict
from collections.abc import Collection
from functools import cached_property

from torch.autograd.graph import GradientEdge, Node

Edge = tuple[Node, int]
"""an operation that computed a tensor, and which of its outputs that is"""


class GradientWays:
    """The ways from `top`, a tensor of errors, down to `bottom`, the inputs."""

    def __init__(self, top: GradientEdge, bottom: GradientEdge) -> None:
        self._top, self._bottom = _edge(top), _edge(bottom)
        self._nodes = _from_the_top(top.node)
        self._rank = {node: number for number, node in enumerate(self._nodes)}
        self._down = self._ways_down(frozenset())
        self._up: dict[Edge, int] = defaultdict(int, {self._top: 1})
        of_node: dict[Node, int] = defaultdict(int, {top.node: 1})
        for node in self._nodes:
            for edge in _below(node):
                self._up[edge] += of_node[node]
                of_node[edge[0]] += of_node[node]

    @property
    def total(self) -> int:
        """0 if the error does not depend on the inputs."""
        return self.through(self._top)

    def through(self, edge: Edge) -> int:
        """How many ways pass the tensor."""
        down = 1 if edge == self._bottom else self._down[edge[0]]
        return self._up[edge] * down

    def whole(self, edge: Edge) -> bool:
        """Whether all of them do."""
        return 0 < self.total == self.through(edge)

    def through_any(self, edges: Collection[Edge]) -> int:
        """How many ways pass at least one of the tensors."""
        return self.total - self._ways_down(frozenset(edges))[self._top[0]]

    def between(self, edge: Edge) -> tuple[Edge, Edge]:
        """The nearest tensors above and below this one that all ways pass; it must not be such a tensor itself."""
        rank = self._rank[edge[0]]
        above = max((each for each in self._whole if self._rank[each[0]] < rank), key=lambda each: self._rank[each[0]])
        below = min((each for each in self._whole if self._rank[each[0]] > rank), key=lambda each: self._rank[each[0]])
        return above, below

    @cached_property
    def _whole(self) -> list[Edge]:
        every = dict.fromkeys([self._top, *(edge for node in self._nodes for edge in _below(node))])
        return [edge for edge in every if self.whole(edge)]

    def _ways_down(self, avoiding: Collection[Edge]) -> dict[Node, int]:
        """Node -> number of ways from its results to the bottom that avoid these tensors."""
        down: dict[Node, int] = defaultdict(int)
        for node in reversed(self._nodes):
            open_edges = (edge for edge in _below(node) if edge not in avoiding)
            down[node] = sum(1 if edge == self._bottom else down[edge[0]] for edge in open_edges)
        return down


def _edge(edge: GradientEdge) -> Edge:
    return edge.node, edge.output_nr


def _below(node: Node) -> list[Edge]:
    return [(below, number) for below, number in node.next_functions if below is not None]


def _from_the_top(top: Node) -> list[Node]:
    """All operations below, each before those that it uses."""
    finished, waiting, entered = list[Node](), [(top, False)], set[Node]()
    while waiting:
        node, left = waiting.pop()
        if left:
            finished.append(node)
        elif node not in entered:
            entered.add(node)
            waiting.append((node, True))
            waiting += [(below, False) for below, _ in _below(node)]
    return finished[::-1]
