"""How much work a unit is: seconds of one core of 2020's servers, about, which calibration.py corrects."""

from itertools import pairwise

from distnlc.data import sources
from distnlc.data.spec import DataSpec
from distnlc.studies.scaling.spec import Spec

LEAST = 0.01
"""of any unit"""
MULTIPLICATION = 1 / 2e10
"""of a training, in float32"""
STEP, NUMBER = 1.5e-4, 4e-9
"""of an update, and of each weight that it moves"""
GUESSED_FEATURES, GUESSED_POINTS = 100, 3000
"""of a set of LibSVM's page, which only its file tells"""
FEATURES = {
    "iris": 4,
    "wine": 13,
    "glass": 9,
    "vowel": 10,
    "vehicle": 18,
    "segment": 19,
    "dna": 180,
    "optdigits": 64,
    "pendigits": 16,
    "letter": 16,
}
POINTS = {
    "iris": 150,
    "wine": 178,
    "glass": 214,
    "vowel": 528,
    "vehicle": 846,
    "segment": 2310,
    "dna": 2000,
    "optdigits": 5620,
    "pendigits": 7494,
    "letter": 15000,
}


def cost(part: Spec, dataset: str | None) -> float:
    """Seconds of one unit; `dataset`: the set of a libsvm unit."""
    if part.experiment == "operations":
        return LEAST + 5e-4 * part.operations.draws * part.operations.batch
    if part.experiment == "ratio":
        ratio = part.ratio
        return LEAST + 1e-6 * ratio.samples * ratio.image**2 * (1 + ratio.classes / 10)
    if part.experiment == "blocks":
        return LEAST + 0.02 * part.blocks.samples
    if part.experiment == "residual":
        nets = part.residual
        return LEAST + nets.samples * nets.blocks * (5e-4 + 2e-10 * nets.width**2 * nets.size**2)
    if part.experiment == "libsvm":
        return LEAST + _libsvm(part, dataset or "")
    return LEAST + _convolutional(part)


def _libsvm(part: Spec, name: str) -> float:
    group = part.libsvm
    points = min(POINTS.get(name, GUESSED_POINTS), group.points or 10**9)
    widths = [FEATURES.get(name, GUESSED_FEATURES), *group.hidden, 10]
    weights = sum(before * after for before, after in pairwise(widths))
    steps = group.epochs * -(-points // group.batch_size)
    runs = group.rates[1] - group.rates[0] + 1
    products = 3 * weights * points * (group.epochs + 1 / 3) * MULTIPLICATION
    return runs * (products + steps * (STEP + NUMBER * weights))


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
    return runs * (3 * products * points * epochs * MULTIPLICATION + steps * (10 * STEP + NUMBER * weights))
