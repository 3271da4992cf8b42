"""Zero-cost proxies, for `distnlc measure`: their table, what is missing, and which one is being measured."""

from collections.abc import Callable, Mapping

from rich.status import Status
from rich.table import Table

from distnlc.analysis.drawing.format import number
from distnlc.measuring.table import plain_table
from distnlc.metrics.catalog import ZERO_COST
from distnlc.metrics.zero_cost import Proxy


def proxies_table(
    values: Mapping[str, float | None], seconds: Mapping[str, float], placed: Callable[[str], tuple[str, str]]
) -> Table:
    """Those that have a value, with their cost. placed: gives percentile and median in the reference study."""
    table = plain_table("", "", ["zero-cost proxy"], ["value", "percentile", "median", "seconds"])
    for name, value in values.items():
        if value is not None:
            table.add_row(ZERO_COST[name].label, number(value), *placed(name), number(seconds[name]))
    return table


def missing_proxies(proxies: Mapping[str, Proxy]) -> list[str]:
    """A note for each reason."""
    names: dict[str, list[str]] = {}
    for name, proxy in proxies.items():
        if proxy.reason is not None:
            names.setdefault(proxy.reason, []).append(ZERO_COST[name].label)
    return [f"{', '.join(labels)}: no value: {reason}" for reason, labels in names.items()]


def naming(status: Status) -> Callable[[str], None]:
    """What shows the proxy that is being measured."""
    return lambda name: status.update(f"measuring {ZERO_COST[name].label if name in ZERO_COST else name}")
