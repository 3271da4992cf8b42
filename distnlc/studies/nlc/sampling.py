"""The distribution that the architectures of an NLC study are drawn from (section C), post-processing included."""

import numpy as np

from distnlc.networks.architecture import Architecture, width_for
from distnlc.spec import derive_seed

ACTIVATION_WEIGHTS = {  # of eleven
    "relu": 2,
    "selu": 2,
    "gaussian": 2,
    "tanh": 1,
    "even-tanh": 1,
    "sigmoid": 1,
    "square": 1,
    "odd-square": 1,
}
BIAS_VARIANCE = 0.05


def sample_architecture(
    index: int,
    *,
    seed: int,
    d_in: int,
    d_out: int,
    parameters: int = 1_000_000,
    depth_min: int = 3,
    depth_max: int = 49,
    initialization: int = 0,
) -> Architecture:
    """Architecture number `index` of the sequence that `seed` fixes (section C).

    `initialization`: which of its initial weights; their number changes no other property.

    Everything but the width is drawn before it depends on the data, so that the same (seed, index) gives the
    same properties for every dataset and budget.
    """
    own_seed = derive_seed("architecture", seed, index)
    draw = np.random.default_rng(derive_seed("properties", own_seed))
    depth = int(draw.choice(np.arange(depth_min, depth_max + 1, 2)))
    bias_variance = float(draw.choice([0.0, BIAS_VARIANCE]))
    initial_scale = float(draw.choice([0.9, 1.1, 1.0], p=[0.25, 0.25, 0.5]))
    normalization = str(draw.choice(["none", "batch", "layer"], p=[0.5, 0.25, 0.25]))
    shares = np.array(list(ACTIVATION_WEIGHTS.values())) / sum(ACTIVATION_WEIGHTS.values())
    activation = str(draw.choice(list(ACTIVATION_WEIGHTS), p=shares))
    dilation = float(draw.choice([1.0, 1.2, 0.8], p=[0.5, 0.25, 0.25]))
    shift = float(draw.choice([0.0, 0.2, -0.2], p=[0.5, 0.25, 0.25]))
    debiased = bool(draw.choice([False, True]))
    skips = str(draw.choice(["none", "full", "drawn"], p=[0.5, 0.25, 0.25]))
    drawn_strength = float(draw.uniform())
    skip_start = str(draw.choice(["linear", "normalization"]))
    added_normalization = str(draw.choice(["batch", "layer"]))

    skip_strength = {"none": 0.0, "full": 1.0, "drawn": drawn_strength}[skips]
    if normalization == "none" and (activation in {"square", "odd-square"} or skips != "none"):
        normalization = added_normalization
    return Architecture(
        index=index,
        seed=derive_seed("initialization", own_seed, initialization) if initialization else own_seed,
        d_in=d_in,
        d_out=d_out,
        depth=depth,
        width=width_for(parameters, depth, d_in, d_out),
        activation=activation,
        dilation=dilation,
        shift=shift,
        debiased=debiased,
        bias_variance=bias_variance,
        initial_scale=initial_scale,
        normalization=normalization,
        skip_strength=skip_strength,
        skip_start=skip_start if skip_strength > 0 else "none",
    )
