"""How much is spent on measuring a network, and which metrics of the user's own are measured."""

from pydantic import field_validator

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
    extra: tuple[NamedMetric, ...] = ()
    """names of metrics of the user's own (plug-ins), in any order"""

    @field_validator("extra")
    @classmethod
    def _each_metric_once(cls, extra: tuple[NamedMetric, ...]) -> tuple[NamedMetric, ...]:
        names = sorted(metric.name for metric in extra)
        if len(set(names)) < len(names):
            raise ValueError(f"expected each metric once, found {', '.join(names)}")
        return tuple(sorted(extra, key=lambda metric: metric.name))
