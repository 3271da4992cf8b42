"""How much is spent on measuring a network."""

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
