"""The work of a unit in seconds of one free core, estimated; calibration.py corrects it on the machine at hand."""

from collections.abc import Sequence
from itertools import pairwise

from distnlc.data import sources
from distnlc.data.spec import DataSpec
from distnlc.studies.scaling.spec import Spec

LEAST = 0.01
"""of any unit"""
PRODUCT, CONVOLVED = 1 / 4e10, 1 / 1.5e10
"""a multiplication of a training in float32, of MLPs and of convolutional networks"""
STEP, CONVOLVED_STEP, NUMBER = 1e-4, 9e-3, 4e-9
"""an update of either, and each weight that it moves"""
GUESSED = 3000, 100
"""training points and features of a set that is not listed"""
SIZES = {
    "acoustic": (78_823, 50),
    "aloi": (108_000, 128),
    "cifar10": (50_000, 3072),
    "combined": (78_823, 100),
    "connect-4": (67_557, 126),
    "dna": (2000, 180),
    "glass": (214, 9),
    "iris": (150, 4),
    "letter": (15_000, 16),
    "mnist": (60_000, 780),
    "news20": (15_935, 62_061),
    "optdigits": (3823, 64),
    "pendigits": (7494, 16),
    "poker": (25_010, 10),
    "protein": (17_766, 357),
    "satimage": (4435, 36),
    "segment": (2310, 19),
    "seismic": (78_823, 50),
    "shuttle": (43_500, 9),
    "smallNORB": (24_300, 18_432),
    "SVHN": (73_257, 3072),
    "svmguide2": (391, 20),
    "svmguide4": (300, 10),
    "usps": (7291, 256),
    "vehicle": (846, 18),
    "vowel": (528, 10),
    "wine": (178, 13),
}
"""set -> training points and features, as LibSVM's page has them: for costs, not for results"""


def cost(part: Spec, dataset: str | None) -> float:
    """Seconds of one unit; `dataset`: the set of a libsvm unit."""
    if part.experiment == "operations":
        return LEAST + 5e-4 * part.operations.draws * part.operations.batch
    if part.experiment == "ratio":
        ratio = part.ratio
        return LEAST + 7e-7 * ratio.samples * ratio.image**2 * (1 + ratio.classes / 10)
    if part.experiment == "blocks":
        return LEAST + 0.015 * part.blocks.samples
    if part.experiment == "residual":
        nets = part.residual
        return LEAST + nets.blocks * (0.012 + nets.samples * (1e-3 + 2e-10 * nets.width**2 * nets.size**2))
    if part.experiment == "libsvm":
        return LEAST + _libsvm(part, dataset or "")
    return LEAST + _convolutional(part)


def _libsvm(part: Spec, name: str) -> float:
    group = part.libsvm
    there, features = SIZES.get(name, GUESSED)
    points = min(there, group.points or there)
    runs = group.rates[1] - group.rates[0] + 1
    return training_cost([features, *group.hidden, 10], runs, group.batch_size, points, group.epochs)


def training_cost(widths: Sequence[int], runs: int, batch: int, points: int, epochs: int) -> float:
    """Seconds of runs of a fully connected network, and of a pass over all points at the end."""
    weights = sum(before * after for before, after in pairwise(widths))
    products = 3 * weights * points * (epochs + 1 / 3) * PRODUCT
    return runs * (products + epochs * -(-points // batch) * (STEP + NUMBER * weights))


def _convolutional(part: Spec) -> float:
    """A unit of alexnet or resnet."""
    images = sources.part_sizes(DataSpec(name="cifar10", train=50_000))[0]
    if part.experiment == "alexnet":
        group, runs = part.alexnet, part.alexnet.rates[1] - part.alexnet.rates[0] + 1
        channels = [3, *(max(each // group.divisor, 1) for each in (64, 192, 384, 256, 256))]
        pairs = list(pairwise(channels))
        shapes = zip(pairs, (11, 5, 3, 3, 3), (4, 2, 2, 2, 1), strict=True)
        products = sum(before * after * kernel**2 * size**2 for (before, after), kernel, size in shapes)
        weights = sum(
            before * after * kernel**2 for (before, after), kernel in zip(pairs, (11, 5, 3, 3, 3), strict=True)
        )
        points, epochs, batch = group.points or images, group.epochs, group.batch_size
    else:
        net, runs = part.resnet, 1
        weights = net.blocks * (2 * net.width * net.inner + 9 * net.inner**2)
        products = weights * 32**2
        points, epochs, batch = net.points or images, net.epochs, net.batch_size
    steps = epochs * -(-points // batch)
    return runs * (3 * products * points * epochs * CONVOLVED + steps * (CONVOLVED_STEP + NUMBER * weights))
