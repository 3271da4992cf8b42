"""The datasets and the preparations that come with distnlc, by name; needs neither files nor torch.

A dataset is a source (where the points come from) and a preparation (how they become inputs). Code is named by `Ref`.
A built-in source's code also takes the keyword `spec`, and `seed` where it reads; otherwise it is a `Source` like a
user's own. A user's sources and preparations are found among the plug-ins.
"""

import re
from dataclasses import dataclass

from distnlc.plugins import PLUGINS_VARIABLE, Preparation, Source, plugin_named, plugin_names

LIBSVM = "libsvm/"
"""before the name of one of its sets"""
_SET_NAME = re.compile(r"(?!.*\.t(\.bz2|\.gz)?$)[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""a file's name without folders; test files (.t) are never read"""
_HINT = f"the module of another is named by --plugin or {PLUGINS_VARIABLE}"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """The numbers of a dataset that are known without its files; counts are what a spec without counts gets."""

    train: int
    validation: int
    test: int
    shape: tuple[int, ...]
    """of one point: (features,), or an image's (channels, height, width)"""
    classes: int
    projected: int = 0
    """features after the recipe `paper`: as the NLC paper states them, or about as many for datasets it does not use.
    The user's files can come to another number"""


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """A dataset that comes with distnlc."""

    source: Source
    preparation: str
    """of a spec that names none"""
    stated: Stated | None = None
    """None: only the files tell"""
    fields: tuple[str, ...] = ()
    """the fields of `DataSpec` that not every dataset uses and this one does"""


_WAVEFORM = Stated(train=3_000, validation=1_000, test=1_000, shape=(40,), classes=3)
_GENERATED = {"train": 1_000, "validation": 500, "test": 1_000, "classes": 10}


def _images(name: str, stated: Stated) -> BuiltIn:
    code = "distnlc.data.images"
    source = Source(name=name, read=f"{code}:read", files=f"{code}:files")
    return BuiltIn(source=source, preparation="paper", stated=stated, fields=("crop",))


def _mnist(projected: int) -> Stated:
    counts = {"train": 50_000, "validation": 10_000, "test": 10_000}
    return Stated(**counts, shape=(1, 28, 28), classes=10, projected=projected)


def _cifar(classes: int) -> Stated:
    counts = {"train": 40_000, "validation": 10_000, "test": 10_000}
    return Stated(**counts, shape=(3, 32, 32), classes=classes, projected=810)


_DATASETS = [
    BuiltIn(
        source=Source(name="waveform-noise", read="distnlc.data.waveform:read_generated"),
        preparation="features",
        stated=_WAVEFORM,
    ),
    BuiltIn(
        source=Source(
            name="waveform-uci", read="distnlc.data.waveform:read_uci", files="distnlc.data.waveform:uci_files"
        ),
        preparation="features",
        stated=_WAVEFORM,
    ),
    _images("mnist", _mnist(334)),
    _images("fashion-mnist", _mnist(500)),
    _images("cifar10", _cifar(10)),
    _images("cifar100", _cifar(100)),
    BuiltIn(
        source=Source(name="libsvm", read="distnlc.data.libsvm:read", files="distnlc.data.libsvm:files"),
        preparation="layer-norm",
    ),
    BuiltIn(
        source=Source(name="gaussian-images", read="distnlc.data.generated:gaussian_images"),
        preparation="raw",
        stated=Stated(**_GENERATED, shape=(3, 32, 32)),
        fields=("crop", "shape"),
    ),
    BuiltIn(
        source=Source(name="clusters", read="distnlc.data.generated:clusters"),
        preparation="features",
        stated=Stated(**_GENERATED, shape=(1, 8, 8)),
        fields=("crop", "separation"),
    ),
    BuiltIn(
        source=Source(name="npz", read="distnlc.data.npz:read", files="distnlc.data.npz:files"),
        preparation="features",
        fields=("crop", "file"),
    ),
]
DATASETS = {each.source.name: each for each in _DATASETS}

PREPARATIONS = {
    name: Preparation(name=name, fit_and_apply=f"distnlc.data.preparation:{function}")
    for name, function in {
        "features": "normalize_features",
        "varying-features": "normalize_varying_features",
        "sphere": "onto_sphere",
        "layer-norm": "normalize_points",
        "raw": "as_they_are",
        "paper": "prepare_images",
    }.items()
}


def built_in(name: str) -> BuiltIn | None:
    """The dataset of that name that comes with distnlc."""
    if name.startswith(LIBSVM):
        return DATASETS["libsvm"] if _SET_NAME.fullmatch(name.removeprefix(LIBSVM)) else None
    return None if name == "libsvm" else DATASETS.get(name)


def fields_of(name: str) -> tuple[str, ...]:
    """The fields of `DataSpec` that not every dataset uses and this one does; a plug-in's points can be images."""
    known = built_in(name)
    return known.fields if known else ("crop",)


def source_named(name: str) -> Source:
    """The source of that name, built in or a plug-in's. Raises ValueError that says what there is."""
    known = built_in(name)
    source = known.source if known else plugin_named(Source, name)
    if source is None:
        names = [f"{LIBSVM}NAME" if each == "libsvm" else each for each in DATASETS]
        raise ValueError(f"expected a dataset: {', '.join([*names, *plugin_names(Source)])} ({_HINT})")
    return source


def preparation_named(name: str) -> Preparation:
    """The preparation of that name, built in or a plug-in's. Raises ValueError that says what there is."""
    preparation = PREPARATIONS.get(name) or plugin_named(Preparation, name)
    if preparation is None:
        names = [*PREPARATIONS, *plugin_names(Preparation)]
        raise ValueError(f"expected a preparation: {', '.join(names)} ({_HINT})")
    return preparation
