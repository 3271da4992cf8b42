"""Every value that the paper on the nonlinearity coefficient states, and the sizes of its study, once.

Figures and answers show them beside what was measured. Section and figure numbers are the paper's.
"""

Key = tuple[str, str, str]
"""dataset, optimizer, criterion: which study of the paper's a part of a study repeats"""

VALIDATION, TRAINING = "validation-error", "training-error"
"""the criteria by which a run is chosen"""
EVERY = "all"
"""in a key: all datasets together"""

CIFAR10_SGD: Key = ("cifar10", "sgd", VALIDATION)
TRAINING_SGD: Key = ("waveform-noise", "sgd", TRAINING)

# correlations; where a figure shows several datasets, the paper shows CIFAR10

STATED_NLC: dict[Key, float] = {
    CIFAR10_SGD: 0.81,
    ("mnist", "sgd", VALIDATION): 0.72,
    ("waveform-noise", "sgd", VALIDATION): 0.67,
    ("waveform-noise", "adam", VALIDATION): 0.75,
    TRAINING_SGD: 0.25,
}
"""of log initial NLC with the part's error (figures 2, 3D, 3F); also the paper's order of the parts"""

STATED: dict[str, dict[Key, tuple[float, ...]]] = {
    **{name: {key: (value,) for key, value in STATED_NLC.items()} for name in ("figure2", "figure3d", "figure3f")},
    "figure3a": {CIFAR10_SGD: (0.42,)},
    "figure3b": {CIFAR10_SGD: (0.83,)},
    "figure3c": {CIFAR10_SGD: (0.55,)},
    "figure3e": {(EVERY, "sgd", VALIDATION): (-0.83,)},
    "figure4": {CIFAR10_SGD: (0.38,)},
    "figure8": {CIFAR10_SGD: (-0.48,), TRAINING_SGD: (-0.92,)},
    "figure9a": {CIFAR10_SGD: (0.72, 0.38)},
    "figure9b": {CIFAR10_SGD: (0.72, 0.38)},
    "figure9c": {CIFAR10_SGD: (0.05,)},
}
"""figure -> part -> its correlation, or two values where it is lost which of them is this figure's"""

SLOPE = -2.0
"""of figure 8's second panel, by eye: log starting rate over log NLC, runs chosen by training error"""

# sizes

PARAMETERS = 1_000_000
FEATURES = {"cifar10": 810, "mnist": 334, "waveform-noise": 40}
POINTS = {"cifar10": 40_000, "mnist": 50_000, "waveform-noise": 3_000}
"""of the training part"""
RATES = {VALIDATION: 40, TRAINING: 60}
ARCHITECTURES = {VALIDATION: 250, TRAINING: 50}
"""of each dataset"""
EPOCHS = 10 + 10 * 5
"""that a run takes at least: patience 10 before the rate is first divided, then 10 times patience 5 (section E.2)"""

SIZE = (
    f"The paper's values are of {ARCHITECTURES[VALIDATION]} architectures a dataset, about {PARAMETERS:,} parameters "
    f"each, {RATES[VALIDATION]} rates each (chosen by training error: {ARCHITECTURES[TRAINING]} architectures, "
    f"{RATES[TRAINING]} rates)."
)

# thresholds and ranges

HIGH_BIAS = 1000.0
"""output bias of the initial network, above which figures call it high"""
INSET = (0.8, 100.0)
"""the range of the NLC that figure 2 shows enlarged, where the networks that learn lie"""
GOOD_NLC = (1.0, 3.0)
"""the range of the initial NLC in which the best networks lie (section 4)"""
BETTER_THAN_GUESSING = {3: 0.5, 10: 0.8}
"""classes -> error below which a network is better than guessing (section B.1); guessing gives 0.667 and 0.9"""
ENDS = 5
"""of the range of starting rates: among the first and last so many no best rate lay (section 4)"""


def architectures(key: Key) -> int:
    """How many architectures the paper's values of this part are of."""
    return ARCHITECTURES[key[2]] * (len(FEATURES) if key[0] == EVERY else 1)
