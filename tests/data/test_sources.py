"""The datasets and preparations there are: named, numbered without files, and refused by name where they are not."""

import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import pytest

from distnlc.data.catalog import DATASETS, PREPARATIONS
from distnlc.data.sources import dimensions, known_sizes, part_sizes, preparation_of, source_of, split_sizes
from distnlc.data.spec import DataSpec
from distnlc.plugins import Preparation, Source, loaded
from distnlc.spec import SpecError, identity, spec_id

NAMES = [{"libsvm": "libsvm/letter"}.get(name, name) for name in DATASETS]


def spec_of(name: str, **fields: Any) -> DataSpec:
    return DataSpec.parse({"name": name} | ({"file": "my.npz"} if name == "npz" else {}) | fields)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_every_dataset_and_of_its_preparation_is_there(name) -> None:
    spec = spec_of(name)
    source = source_of(spec, seed=0)
    assert source.name == name
    assert callable(source.read)
    assert source.files is None or callable(source.files)
    assert callable(loaded(preparation_of(spec).fit_and_apply))


@pytest.mark.parametrize("name", PREPARATIONS)
def test_the_code_of_every_preparation_is_there(name) -> None:
    assert callable(loaded(preparation_of(spec_of("cifar10", preparation=name)).fit_and_apply))


def test_a_spec_and_its_numbers_need_neither_torch_nor_numpy() -> None:
    program = (
        "import sys; from distnlc.data.sources import part_sizes, dimensions; from distnlc.data.spec import DataSpec\n"
        "for name in ('waveform-noise', 'cifar100', 'libsvm/x'): part_sizes(DataSpec(name=name)), "
        "dimensions(DataSpec(name=name))\n"
        "print({'torch', 'numpy', 'sklearn', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("fields", "sizes", "numbers"),
    [
        ({}, (3_000, 1_000, 1_000), (40, 3)),
        ({"name": "mnist"}, (50_000, 10_000, 10_000), (334, 10)),
        ({"name": "mnist", "preparation": "sphere", "validation": 0}, (50_000, 0, 10_000), (784, 10)),
        ({"name": "mnist", "crop": 10}, (50_000, 10_000, 10_000), (100, 10)),
        ({"name": "cifar10", "crop": 24, "preparation": "raw"}, (40_000, 10_000, 10_000), (1728, 10)),
        ({"name": "cifar100", "train": 7}, (7, 10_000, 10_000), (810, 100)),
        ({"name": "gaussian-images", "shape": [1, 4, 5]}, (1_000, 500, 1_000), (20, 10)),
        ({"name": "clusters"}, (1_000, 500, 1_000), (64, 10)),
    ],
)
def test_numbers_are_known_without_files(fields, sizes, numbers) -> None:
    spec = DataSpec.parse(fields)
    assert (part_sizes(spec), known_sizes(spec), dimensions(spec)) == (sizes, sizes, numbers)


def test_what_only_the_files_tell_is_a_guess_until_they_are_read() -> None:
    spec = DataSpec(name="libsvm/letter", train=100)
    assert known_sizes(spec) == (100, None, None)
    assert part_sizes(spec) == (100, 1_000, 1_000)
    assert dimensions(spec) == (100, 10)


@pytest.mark.parametrize(
    ("fields", "available", "sizes"),
    [
        ({}, (100, None), (60, 20, 20)),
        ({"test": 50}, (100, None), (30, 20, 50)),
        ({"validation": 0, "test": 0}, (100, None), (100, 0, 0)),
        ({"train": 10}, (100, None), (10, 20, 20)),
        ({}, (60, 30), (50, 10, 30)),
        ({"test": 5, "validation": 0}, (60, 30), (60, 0, 5)),
        ({"validation": 100}, (60, 30), (0, 100, 30)),
    ],
)
def test_counts_that_nobody_states_are_shares_of_what_there_is(fields, available, sizes) -> None:
    assert split_sizes(DataSpec(name="libsvm/x", **fields), *available) == sizes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "svhn"}, "'name': expected a dataset: waveform-noise, waveform-uci, mnist, .*libsvm/NAME.*, npz"),
        ({"name": "libsvm"}, "expected a dataset: "),
        ({"name": "libsvm/"}, "expected a dataset: "),
        ({"name": "libsvm/../mnist/x"}, "expected a dataset: "),
        ({"name": "libsvm/.hidden"}, "expected a dataset: "),
        ({"name": "libsvm/letter.scale.t"}, "expected a dataset: "),
        ({"name": "libsvm/letter.t.bz2"}, "expected a dataset: "),
        (
            {"preparation": "white"},
            "'preparation': expected a preparation: features, varying-features, sphere, layer-norm, raw, paper",
        ),
        ({"name": "npz"}, "'file': npz needs the path of its file, such as --set data.file=my.npz"),
        ({"file": "my.npz"}, "'file': waveform-noise has no use for it, only npz"),
        ({"crop": 3}, "'crop': waveform-noise has no use for it, only mnist, .*npz"),
        ({"name": "libsvm/letter", "crop": 3}, "'crop': libsvm/letter has no use for it"),
        ({"name": "mnist", "crop": 29}, "'crop': the points of mnist are 1 x 28 x 28, but got 29"),
        ({"name": "gaussian-images", "shape": [9], "crop": 2}, "the points of gaussian-images are 9, but got 2"),
        ({"name": "mnist", "separation": 1.0}, "'separation': mnist has no use for it, only clusters"),
        ({"name": "clusters", "separation": 0.0}, "'separation': Input should be greater than 0"),
        ({"name": "clusters", "shape": [3, 4, 4]}, "'shape': clusters has no use for it, only gaussian-images"),
        (
            {"name": "gaussian-images", "shape": [10_000, 10_000]},
            "'shape': expected at most 10,000,000 numbers a point",
        ),
        ({"name": "gaussian-images", "shape": []}, "'shape': Tuple should have at least 1 item"),
        ({"labels": "shuffled"}, "'labels': Input should be 'true' or 'random'"),
        ({"train": 0}, "'train': Input should be greater than 0"),
    ],
)
def test_what_is_not_there_or_has_no_use_is_refused_in_one_line(fields, message) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        DataSpec.parse(fields)
    assert "\n" not in str(caught.value)


def test_true_labels_may_be_written_as_yaml_reads_them() -> None:
    assert DataSpec.parse({"labels": True}) == DataSpec()


def test_the_fields_of_todays_ids_are_as_they_were() -> None:
    assert identity(DataSpec()) == {}
    assert identity(DataSpec.parse({"name": "mnist", "root": "/x", "train": 5})) == {"name": "mnist", "train": 5}


def test_the_name_of_a_file_is_part_of_ids_and_its_folder_is_not() -> None:
    assert identity(spec_of("npz", file="/x/a.npz")) == identity(spec_of("npz", file="a.npz"))
    assert identity(spec_of("npz", file="a.npz")) == {"name": "npz", "file": "a.npz"}


def test_plug_ins_are_found_by_name_and_listed_where_a_name_is_wrong(plug_in) -> None:
    mine = Source(name="mine", read=Mock())
    white = Preparation(name="white", fit_and_apply=Mock())
    plug_in(mine, white)
    spec = DataSpec.parse({"name": "mine", "preparation": "white", "crop": 3})
    assert (source_of(spec, 0), preparation_of(spec)) == (mine, white)
    assert preparation_of(DataSpec(name="mine")).name == "features"
    with pytest.raises(SpecError, match=r"npz, mine \("):
        DataSpec.parse({"name": "yours"})
    with pytest.raises(SpecError, match=r"paper, white \("):
        DataSpec.parse({"preparation": "black"})
    with pytest.raises(SpecError, match="'file': mine has no use for it, only npz"):
        DataSpec.parse({"name": "mine", "file": "x"})


def test_another_version_of_a_plug_in_is_another_study(plug_in) -> None:
    ids = set()
    for source_version, preparation_version in (("1", "1"), ("2", "1"), ("1", "2")):
        plug_in(
            Source(name="mine", read=Mock(), version=source_version),
            Preparation(name="white", fit_and_apply=Mock(), version=preparation_version),
        )
        spec = DataSpec(name="mine", preparation="white")
        assert (spec.source_version, spec.preparation_version) == (source_version, preparation_version)
        ids.add(spec_id(spec))
    assert len(ids) == 3
    with pytest.raises(SpecError, match="the study has the source mine in version 2; here it is version 1, which"):
        DataSpec.parse({"name": "mine", "source_version": "2"})
    plug_in(Source(name="mine", read=Mock()))
    assert identity(DataSpec(name="mine")) == {"name": "mine"}
