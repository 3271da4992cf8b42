"""How much is spent on measuring a network, and which metrics are measured beside the columns."""

from pydantic import ValidationInfo, field_validator

from distnlc.metrics.groups import GROUPS, measured_by
from distnlc.plugged import NamedMetric
from distnlc.spec import NonNegativeInt, PositiveInt, SpecModel


class MetricsSpec(SpecModel):
    """How much is spent on each measurement (sections E.1, E.3, G)."""

    nlc_batches: PositiveInt = 100
    walk_batches: NonNegativeInt = 10
    """batches for what takes many passes each: the linearly approximable region, the error-preserving perturbation,
    the local Lipschitz estimate; 0: not measured"""
    walk_inputs: PositiveInt = 10
    """random input directions a batch"""
    walk_outputs: PositiveInt = 10
    """random output directions a batch and input direction (linearly approximable region only)"""
    groups: tuple[str, ...] = ()
    """names of groups of initial metrics beyond the columns of the table `architectures` (metrics/groups.py), in any
    order"""
    extra: tuple[NamedMetric, ...] = ()
    """names of metrics of the user's own (plug-ins), in any order"""

    @field_validator("extra")
    @classmethod
    def _each_metric_once(cls, extra: tuple[NamedMetric, ...], info: ValidationInfo) -> tuple[NamedMetric, ...]:
        names = sorted(metric.name for metric in extra)
        if len(set(names)) < len(names):
            raise ValueError(f"expected each metric once, found {', '.join(names)}")
        if taken := set(names) & measured_by(info.data.get("groups", ())).keys():
            raise ValueError(f"{min(taken)!r} is a metric of metrics.groups; give yours another name")
        return tuple(sorted(extra, key=lambda metric: metric.name))

    @field_validator("groups")
    @classmethod
    def _groups_are_there(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        """In the order of GROUPS."""
        if unknown := [group for group in groups if group not in GROUPS]:
            raise ValueError(f"there is no group {unknown[0]!r}; there are: {', '.join(GROUPS)}")
        if len(set(groups)) < len(groups):
            raise ValueError(f"expected each group once, found {', '.join(groups)}")
        return tuple(group for group in GROUPS if group in groups)
