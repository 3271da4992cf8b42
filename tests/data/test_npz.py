"""A dataset of one's own in a .npz file: what is read, and one line for everything that is none."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distnlc.data import npz
from distnlc.data.folders import DataError
from distnlc.data.points import Points, checked
from distnlc.data.spec import DataSpec

INPUTS, LABELS = np.arange(24.0).reshape(6, 2, 2), np.array([0, 1, 2, 0, 1, 2])


def read(path: Path) -> Points:
    return checked(npz.read(None, spec=DataSpec(name="npz", file=str(path)), seed=0), where=str(path))


def refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=rf"my\.npz: .*{message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_inputs_and_labels_are_read_and_a_test_part_if_there_is_one(tmp_path, save) -> None:
    path = tmp_path / "my.npz"
    save(path, inputs=INPUTS, labels=LABELS.astype(np.uint8), more=np.zeros(3))
    points = read(path)
    assert np.array_equal(points.inputs, INPUTS)
    assert (points.labels.tolist(), points.labels.dtype) == (LABELS.tolist(), np.int64)
    assert (points.test_inputs, points.test_labels, points.classes) == (None, None, 3)
    save(path, inputs=INPUTS, labels=LABELS, test_inputs=-INPUTS[:2], test_labels=[3, 0])
    points = read(path)
    assert points.test_inputs is not None
    assert points.test_labels is not None
    assert np.array_equal(points.test_inputs, -INPUTS[:2])
    assert (points.test_labels.tolist(), points.classes) == ([3, 0], 4)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.float16, np.float32])
def test_inputs_can_be_any_real_numbers(tmp_path, kind) -> None:
    np.savez(tmp_path / "my.npz", inputs=(INPUTS % 2).astype(kind), labels=LABELS)
    assert np.array_equal(read(tmp_path / "my.npz").inputs, INPUTS % 2)


def test_a_class_that_no_point_has_is_allowed(tmp_path) -> None:
    np.savez(tmp_path / "my.npz", inputs=INPUTS, labels=LABELS + 1)
    assert read(tmp_path / "my.npz").classes == 4


def with_value(value: Any) -> np.ndarray:
    inputs = INPUTS.astype(np.result_type(INPUTS, value))
    inputs[4, 1, 0] = value
    return inputs


ONE_HOT = np.eye(3)[LABELS]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": LABELS}, r"expected arrays inputs, labels, but inputs is missing; it holds labels"),
        ({"inputs": INPUTS, "y": LABELS}, r"but labels is missing; it holds inputs, y"),
        ({}, "but inputs is missing; it holds nothing"),
        ({"inputs": INPUTS, "labels": LABELS, "test_labels": LABELS}, "but test_inputs is missing"),
        ({"inputs": INPUTS, "labels": LABELS[:5]}, "one of labels for each of 6 points, found 5"),
        ({"inputs": with_value(np.nan), "labels": LABELS}, "finite inputs below 1e\\+150, found nan in row 4"),
        ({"inputs": with_value(-np.inf), "labels": LABELS}, "finite inputs .*, found -inf in row 4"),
        ({"inputs": with_value(1e200), "labels": LABELS}, r"finite inputs .*, found 1e\+200 in row 4"),
        ({"inputs": with_value(2j), "labels": LABELS}, "inputs that are real numbers, found complex128"),
        ({"inputs": INPUTS.astype(str), "labels": LABELS}, "inputs that are real numbers, found <U32"),
        ({"inputs": INPUTS.astype("M8[s]"), "labels": LABELS}, r"inputs that are real numbers, found datetime64\[s\]"),
        ({"inputs": INPUTS[:, 0, 0], "labels": LABELS}, r"inputs of shape \(points, features\.\.\.\).*found \(6,\)"),
        ({"inputs": INPUTS[:0], "labels": LABELS[:0]}, r"none of them 0, found \(0, 2, 2\)"),
        ({"inputs": INPUTS[:, :0], "labels": LABELS}, r"none of them 0, found \(6, 0, 2\)"),
        ({"inputs": INPUTS, "labels": ONE_HOT}, r"found \(6, 3\); one-hot rows become numbers by labels\.argmax\(1\)"),
        ({"inputs": INPUTS, "labels": LABELS[:, None]}, r"labels of shape \(6,\).*found \(6, 1\)"),
        ({"inputs": INPUTS, "labels": LABELS / 2}, r"labels that are whole numbers, found 0\.5 in row 1"),
        ({"inputs": INPUTS, "labels": np.full(6, np.nan)}, "labels that are whole numbers, found nan in row 0"),
        (
            {"inputs": INPUTS, "labels": LABELS / 1},
            r"integer type, found float64; make them so by labels\.astype\(int\)",
        ),
        ({"inputs": INPUTS, "labels": LABELS > 0}, r"found bool; make them so by labels\.astype\(int\)"),
        (
            {"inputs": INPUTS, "labels": LABELS.astype(str)},
            r"found <U21; .*np\.unique\(labels, return_inverse=True\)\[1\]",
        ),
        ({"inputs": INPUTS, "labels": LABELS - 1}, r"labels 0 \.\.\. classes - 1, found -1 in row 0; number"),
        ({"inputs": INPUTS, "labels": LABELS * 0 + 1}, "labels of at least 2 classes, found only 1"),
        ({"inputs": INPUTS, "labels": LABELS * 10**15}, "found 2000000000000000 as the largest of 6 points; number"),
        (
            {"inputs": INPUTS, "labels": np.uint64([0, 1, 2, 0, 1, 2**63])},
            "labels of a few classes, found 9223372036854775808",
        ),
        (
            {"inputs": INPUTS, "labels": LABELS, "test_inputs": INPUTS[:, 0], "test_labels": LABELS},
            r"test_inputs of the shape of inputs, found points of shape \(2,\) and \(2, 2\)",
        ),
        (
            {"inputs": INPUTS, "labels": LABELS, "test_inputs": with_value(np.nan), "test_labels": LABELS},
            "finite test_inputs .*, found nan in row 4",
        ),
        (
            {"inputs": INPUTS, "labels": LABELS, "test_inputs": INPUTS, "test_labels": ONE_HOT},
            r"test_labels\.argmax\(1\)",
        ),
    ],
)
def test_arrays_that_are_no_dataset_are_refused_in_one_line(tmp_path, arrays, message) -> None:
    np.savez(tmp_path / "my.npz", **arrays)
    refused(tmp_path / "my.npz", message)


class Hostile:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


def test_objects_are_never_unpickled(tmp_path) -> None:
    path, witness = tmp_path / "my.npz", tmp_path / "witness"
    for name in ("inputs", "labels"):
        np.savez(path, **{"inputs": INPUTS, "labels": LABELS} | {name: np.array([Hostile(str(witness))] * 6)})
        refused(path, "does not hold arrays of plain numbers")
    path.write_bytes(pickle.dumps(Hostile(str(witness))))
    refused(path, "does not hold arrays of plain numbers")
    assert not witness.exists()


def header(shape: tuple[int, ...]) -> bytes:
    """A member of an archive that says it holds as many numbers, and holds none."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not hold arrays"),
        (b"inputs,labels\n1,2\n", "does not hold arrays"),
        (b"PK\x03\x04 but no archive", "does not hold arrays"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message) -> None:
    (tmp_path / "my.npz").write_bytes(content)
    refused(tmp_path / "my.npz", f"{message}.*expected a .npz file, as np.savez")


def test_a_single_array_a_cut_file_and_a_missing_one_are_refused(tmp_path) -> None:
    path = tmp_path / "my.npz"
    refused(path, r"no such file \(data\.file")
    refused(Path("my.npz"), "a relative path begins at /")
    with path.open("wb") as file:
        np.save(file, INPUTS)
    refused(path, "a single array")
    np.savez(path, inputs=INPUTS, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-30])
    refused(path, "does not hold arrays")


@pytest.mark.parametrize("shape", [(10**7, 10**7), (2**62, 2**62), (6, 2)])
def test_an_array_that_says_it_is_larger_than_its_file_is_refused(tmp_path, shape) -> None:
    with zipfile.ZipFile(tmp_path / "my.npz", "w") as archive:
        archive.writestr("inputs.npy", header(shape))
        archive.writestr("labels.npy", header((6,)))
    refused(tmp_path / "my.npz", "does not hold arrays")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch) -> None:
    np.savez_compressed(tmp_path / "my.npz", inputs=np.zeros((6, 10_000)), labels=LABELS)
    monkeypatch.setattr(npz, "MOST_BYTES", 100_000)
    refused(tmp_path / "my.npz", "expected at most 100,000 bytes when unpacked, found 480,")
