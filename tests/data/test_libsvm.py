"""LibSVM's text files are found by name, read as an obvious reader reads them, and refused by line."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest

from distnlc.data import libsvm
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec

GOOD = "1 1:0.5 3:-2\n2 2:1\n1 1:1e-3\n2 3:4\n"
PACK = {"": bytes, ".bz2": bz2.compress, ".gz": gzip.compress}


def write(root: Path, name: str, text: str = GOOD) -> None:
    folder = root / "libsvm"
    folder.mkdir(parents=True, exist_ok=True)
    packing = next((ending for ending in (".bz2", ".gz") if name.endswith(ending)), "")
    (folder / name).write_bytes(PACK[packing](text.encode()))


def read(root: Path, name: str = "set") -> tuple[np.ndarray, np.ndarray]:
    return libsvm.read(root, spec=DataSpec(name=f"libsvm/{name}"), seed=0)


def read_plainly(text: str) -> tuple[np.ndarray, list[float]]:
    """The obvious reading: a line at a time."""
    points, labels = [], []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words:
            labels.append(float(words[0]))
            points.append({int(index): float(value) for index, value in (word.split(":") for word in words[1:])})
    features = max(max(point, default=0) for point in points)
    return np.array([[point.get(index + 1, 0.0) for index in range(features)] for point in points]), labels


@pytest.mark.parametrize("packing", PACK)
def test_points_and_labels_are_those_of_the_obvious_reading(tmp_path, packing) -> None:
    random = np.random.default_rng(0)
    lines = ["# a comment", "3", ""]  # a point without any feature
    for _ in range(40):
        indices = np.flatnonzero(random.random(9) < 0.4) + 1
        pairs = " ".join(f"{index}:{random.normal():.6g}" for index in indices)
        lines.append(f"{random.choice(['-1', '+1', '3'])}\t{pairs}  # more")
    text = "\r\n".join(lines)
    write(tmp_path, f"set{packing}", text)
    inputs, labels = read(tmp_path)
    expected, written = read_plainly(text)
    assert np.array_equal(inputs, expected)
    assert labels.tolist() == [[-1, 1, 3].index(label) for label in written]
    assert (inputs.dtype, labels.dtype) == (np.float64, np.int64)


def test_the_first_of_the_names_that_a_set_goes_by_is_read(tmp_path) -> None:
    """Names are written last to first, so that each new one wins over those before."""
    packed = ("", ".bz2", ".gz")
    order = [f"set{ending}{each}" for ending in (".scale", "_scale", "", ".scale.tr", ".tr") for each in packed]
    for name in reversed(order):
        write(tmp_path, name)
        assert [path.name for path in libsvm.find(tmp_path / "libsvm", "set")] == [name]


def test_validation_points_are_added_to_training_points_and_test_files_are_never_read(tmp_path) -> None:
    write(tmp_path, "set.scale.tr", "1 1:1\n2 2:2\n")
    write(tmp_path, "set.scale.val.bz2", "2 4:3\n1 1:5\n")
    write(tmp_path, "set.scale.t", "7 9:9\n")
    write(tmp_path, "set.val", "7 9:9\n")
    inputs, labels = read(tmp_path)
    assert inputs.tolist() == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 3], [5, 0, 0, 0]]
    assert labels.tolist() == [0, 1, 1, 0]
    assert len(libsvm.files(tmp_path, spec=DataSpec(name="libsvm/set"))) == 2


def test_a_name_with_its_ending_means_that_file_and_no_other(tmp_path) -> None:
    write(tmp_path, "set.scale.tr")
    write(tmp_path, "set.scale.val")
    write(tmp_path, "set.scale.tr.scale")
    for name in ("set.scale.tr", "set.scale.val"):
        assert [path.name for path in libsvm.find(tmp_path / "libsvm", name)] == [name]
    assert libsvm.find(tmp_path / "libsvm", "set.scale") == []
    with pytest.raises(DataError, match=r"Looked for set\.scale \(plain"):
        read(tmp_path, "set.scale")


def test_a_missing_set_is_answered_with_the_names_that_were_tried(tmp_path) -> None:
    write(tmp_path, "other.scale")
    with pytest.raises(
        DataError, match=r"libsvm/set: files not found. Looked for set\.scale, set_scale, set, "
    ) as caught:
        read(tmp_path)
    assert f"{tmp_path / 'libsvm'}: holds other.scale" in str(caught.value)
    with pytest.raises(DataError, match="its files are needed and no folder is named"):
        libsvm.files(None, spec=DataSpec(name="libsvm/set"))


MANY = GOOD * 400


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (f"{GOOD}a 1:2\n", 5, "'a 1:2'"),
        (f"{GOOD}\n# a comment\n1 1:x\n", 7, "'1 1:x'"),
        (f"{GOOD}1 1\n", 5, "'1 1'"),
        (f"{GOOD}1 1:0.5 3:", 5, "'1 1:0.5 3:'"),
        (f"{GOOD}1 2:1 1:1\n", 5, "'1 2:1 1:1'"),
        (f"{GOOD}1 1:1 1:1\n", 5, "'1 1:1 1:1'"),
        (f"{GOOD}1 0:1\n", 5, "'1 0:1'"),
        (f"{GOOD}1 -1:1\n", 5, "'1 -1:1'"),
        (f"{GOOD}1 3000000000:1\n", 5, "'1 3000000000:1'"),
        (f"{GOOD}1 1000000000:1\n", 5, r"larger than 100,000"),
        (f"{GOOD}1,2 1:1\n", 5, "'1,2 1:1'"),
        (f"{GOOD}1.5 1:1\n", 5, "a label is no whole number"),
        (f"{GOOD}nan 1:1\n", 5, "a label is no whole number"),
        (f"{GOOD}inf 1:1\n", 5, "a label is no whole number"),
        (f"{GOOD}1e300 1:1\n", 5, "'1e300 1:1' .a label is beyond 9,007,199,254,740,992"),
        (f"{GOOD}-1e300 1:1\n", 5, "a label is beyond 9,007,199,254,740,992"),
        (f"{GOOD}1 qid:7 1:1\n", 5, "'1 qid:7 1:1' .qid: points that are ranked within queries"),
        (f"{GOOD}1 1:nan\n", 5, "a value is not finite"),
        (f"{GOOD}1 1:-inf\n", 5, "a value is not finite"),
        (f"{GOOD}1 1:1e999\n", 5, "a value is not finite"),
        (f"\ufeff{GOOD}", 1, "found"),
        (f"{MANY}1 1:nan\n{MANY}1 1:nan\n", 1601, "a value is not finite"),
        ("{\x00\x01" + GOOD, 1, "found"),
    ],
)
@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_file_that_is_no_dataset_is_refused_by_its_first_bad_line(tmp_path, text, line, found, packing) -> None:
    write(tmp_path, f"set{packing}", text)
    message = (
        rf"libsvm/set{packing}, line {line}: expected 'label index:value \.\.\.' with rising indices from 1, .*{found}"
    )
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found 0 points of 0 classes"),
        ("\n\n# nothing\n", "found 0 points of 0 classes"),
        ("1 1:1\n1 1:2\n", "found 2 points of 1 classes"),
        ("1 1:1\n2 1:2\n3 1:1\n", "twice as many points, found 3 points of 3 classes"),
    ],
)
def test_too_few_points_or_classes_are_refused(tmp_path, text, message) -> None:
    write(tmp_path, "set", text)
    with pytest.raises(DataError, match=f"libsvm/set: expected at least 2 classes and {'.*' + message}"):
        read(tmp_path)


def test_a_broken_archive_is_refused(tmp_path) -> None:
    write(tmp_path, "set.gz", GOOD * 50)
    path = tmp_path / "libsvm" / "set.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"set\.gz: cannot be read"):
        read(tmp_path)
    path.rename(path.with_suffix(".bz2"))
    with pytest.raises(DataError, match=r"set\.bz2: cannot be read"):
        read(tmp_path)


def test_files_beyond_the_limits_are_refused_before_they_fill_the_memory(tmp_path, monkeypatch) -> None:
    write(tmp_path, "set.gz", GOOD * 1000)
    for limit, value, message in (
        ("MOST_DENSE_BYTES", 95_999, r"4,000 points of 3 features take 96,000 bytes; expected at most 95,999"),
        ("MOST_BYTES", 30_000, r"set\.gz: expected at most 30,000 bytes when unpacked"),
        ("MOST_LINE_BYTES", 11, r"set\.gz, line 1: expected at most 11 bytes"),
    ):
        monkeypatch.setattr(libsvm, limit, value)
        with pytest.raises(DataError, match=message):
            read(tmp_path)
