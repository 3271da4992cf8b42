"""What the figures of a study of sensitivity share: a colour for each activation function, and the small panel."""

from distnlc.analysis.drawing.axes import COLOURS
from distnlc.analysis.drawing.scatter import Group

ACTIVATIONS = {
    "relu": Group("ReLU", COLOURS[0], "o"),
    "relu6": Group("ReLU6", COLOURS[5], "s"),
    "tanh": Group("tanh", COLOURS[1], "^"),
    "hardtanh": Group("HardTanh", COLOURS[4], "s"),
    "hardsigmoid": Group("HardSigmoid", COLOURS[2], "^"),
}
SQUARE = 2.5
"""side of a small panel, in inches, of which three stand in a row"""
