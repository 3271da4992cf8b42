"""How a part's networks are trained (section 5): the paper's protocol, at its size unless the spec says otherwise."""

from typing import Annotated, Literal

from pydantic import Field

from distnlc.spec import PositiveFloat, PositiveInt, SpecModel

STEPS = tuple(float(f"{digit}e{power}") for power in range(5, -6, -1) for digit in (3, 1) if (digit, power) != (3, 5))
"""1e5, 3e4, 1e4, ..., 1e-5"""
Factor = Annotated[float, Field(gt=1, allow_inf_nan=False)]


class Training(SpecModel):
    """Plain stochastic gradient descent by the patience of I.3, and the searches for step sizes before it."""

    batch: PositiveInt | None = 1000
    """points of a minibatch; null: all of them, which is one update an epoch"""
    steps: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = STEPS
    """the starting step sizes of the protocol `single`; the lowest final training error chooses"""
    patience: PositiveInt = 5
    """epochs without a new lowest error before the step size is divided"""
    divisor: Factor = 3.0
    divisions: PositiveInt = 11
    """step sizes that are used: training stops where it would be divided this often"""
    epochs: PositiveInt = 500
    """at most, those of pre-training not counted"""
    pretraining: Literal["highest", "inner"] = "inner"
    """of the protocol `custom`. highest: the 2nd to 6th highest linear layers, by updates of at most 0.01 of their
    weights; inner: all from the 2nd lowest to the 2nd highest (3rd highest with skip connections), at most 0.001"""
    clip_selection: bool = False
    """whether the search for a layer's step size stops where the error is 0.1 percentage points above the lowest"""
    clip_scaling: bool = False
    """the same of the search for what multiplies all of them"""
    selection_factor: Factor = 1.5
    """from one step size of these two searches to the next"""
    selection_every: PositiveInt = 1
    """linear layers whose step size is searched for: every so many from the lowest, and the highest; the others' lie
    between their neighbours' on a logarithmic scale"""
    dtype: Literal["float32", "float64"] = "float32"
    """of the training; what is measured meanwhile is float64"""
