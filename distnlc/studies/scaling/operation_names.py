"""The operations that are measured: those of the paper's table 1 and of additions A1, A3, A5 and A6, in that order.

Left out are rearrangements of numbers (flatten, concatenation, zero padding, subsampling, upsampling by copies), which
keep s by counting; a test measures them.
"""

OPERATIONS = (
    "linear",
    "conv 3x3",
    "conv 3x3, padding 1",
    "conv 3x3, stride 3",
    "conv 5x5, stride 2",
    "conv 11x11, stride 4, padding 5",
    "conv 1x1, stride 2",
    "conv 3x3, 4 groups",
    "conv 3x3, depthwise",
    "conv 3x3, dilation 2",
    "conv 3x5",
    "conv 1-D, 5, stride 2",
    "transposed conv 4x4, stride 2, padding 1",
    "transposed conv 2x2, stride 2",
    "ReLU",
    "leaky ReLU 0.2",
    "dropout 0.3",
    "scalar",
    "residual",
    "average pool 2x2",
    "average pool 2x2 of a ReLU",
    "average pool 8x8 of a ReLU",
    "max pool 2x2",
    "max pool 2x2 of a ReLU",
    "sigmoid",
    "tanh",
    "tanh of deviation 0.1",
    "GELU",
    "SiLU",
    "ELU",
    "absolute value",
    "ReLU of a ReLU",
    "ReLU of mean 1",
    "layer norm",
    "batch norm, 64 points",
)
