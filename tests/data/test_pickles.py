"""Pickles from strangers: data comes out, and nothing that they name is called, whatever they are made of."""

import copyreg
import os
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from distnlc.data.images import DataError, read_batches
from tests.helpers.data_files import random_images, write_batch

IMAGES, LABELS = random_images(4, 3072, seed=3)


class Hostile:
    """Pickled, it is the wish that `os.system` be called."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Stateful(Hostile):
    """Pickled, it is an array's class with a hostile state."""

    def __reduce__(self):
        return np.ndarray, ((1,),), Hostile(self.command)


def assert_refused(folder: Path, content: bytes, message: str = "not an official CIFAR batch") -> None:
    path = folder / "data_batch_1"
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(DataError, match=message) as caught:
        read_batches([path])
    assert time.process_time() - began < 5
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrapped", [lambda x: x, lambda x: {b"data": x, b"labels": [1]}, lambda x: [[[(x,)]]]])
@pytest.mark.parametrize("hostile", [Hostile, Stateful])
def test_a_hostile_pickle_is_refused_and_none_of_it_runs(tmp_path, protocol, wrapped, hostile) -> None:
    content = pickle.dumps(wrapped(hostile(f"touch {tmp_path / 'witness'}")), protocol=protocol)
    assert_refused(tmp_path, content, "which is refused")
    assert not (tmp_path / "witness").exists()
    pickle.loads(content) if hostile is Hostile else None  # it is a true attack
    assert (tmp_path / "witness").exists() is (hostile is Hostile)


@pytest.mark.parametrize(
    "content",
    [
        b"(S'touch {witness}'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch {witness}'\no.",  # OBJ
        b"cos\nsystem\n(S'touch {witness}'\ntR.",  # REDUCE
        b"\x80\x02cos\nsystem\n(U\x05touchtR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93(\x8c\x05toucht\x52.",  # STACK_GLOBAL
        b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",  # a path through a permitted name
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # NEWOBJ of a permitted class
        b"\x80\x04cnumpy\nndarray\n)}\x92.",  # NEWOBJ_EX
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pname\n.",  # PERSID
        b"\x80\x02U\x04nameQ.",  # BINPERSID
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x02c__builtin__\neval\n(U\x03 1 tR.",
    ],
)
def test_every_instruction_that_could_call_something_is_refused(tmp_path, content) -> None:
    witness = tmp_path / "witness"
    copyreg.add_extension("os", "system", 1)
    try:
        assert_refused(tmp_path, content.replace(b"{witness}", str(witness).encode()), "which is refused")
    finally:
        copyreg.remove_extension("os", "system", 1)
    assert not witness.exists()


DEEP = 200_000
"""levels; to take the hash of 150,000 tuples in tuples ends Python 3.11 under a stack of 8 MiB"""


def four(number: int) -> bytes:
    return struct.pack("<I", number)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r" + four(2**31 - 1) + b".",  # a memo of 2^31 places
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes that are not there
        b"\x80\x02T" + four(2**31 - 1) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].",  # a frame that is not there
        b"\x80\x02\x8b" + four(2**31 - 1) + b"\x01.",  # a number of 2 GB
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",  # lists in lists
        b"\x80\x02)" + b"\x85" * DEEP + b".",  # tuples in tuples
        b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s.",  # ... as a key, whose hash would be as deep
        b"\x80\x02})" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(60)) + b"K\x01s.",  # 2^60 tuples as a key
        b"\x80\x02" + b"(" * DEEP + b".",
        b"\x80\x02}2" * 1000,
        *(
            b"\x80\x02" + code
            for code in (b".", b"a.", b"\x86.", b"t.", b"h\x07.", b"K\x01K\x02R.", b"}}b.", b"}(K\x01u.")
        ),
        b"\x80\x63.",
        b"\xff" * 100,
    ],
)
def test_a_bomb_or_broken_instructions_are_refused_soon(tmp_path, content) -> None:
    assert_refused(tmp_path, content)


def batch(data: bytes, labels: bytes) -> bytes:
    """A pickled dictionary whose values are pickles too, without their headers."""
    return b"\x80\x02}(U\x04data" + data + b"U\x06labels" + labels + b"u."


ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01%s"
    b"cnumpy\ndtype\n%sK\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89%stb"
)
MANY = b"".join(b"q%ch%c\x86" % (i, i) for i in range(60))
ROW = b"T" + four(3072) + bytes(3072)


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (ARRAY % (b")" + MANY, b"U\x02u1", ROW), b"]K\x01a"),  # 2^60 tuples for a shape
        (ARRAY % (b"K\x01M\x00\x0c\x86", b")" + MANY, ROW), b"]K\x01a"),  # ... for a type
        (ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02u1", ROW), b"]" + b"](h\x00h\x00ea" + b"]q\x01h\x01a"),
        (ARRAY % (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"U\x02u1", ROW), b"]K\x01a"),
        (ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02u1", ROW), b"](" + b"]q\x01(h\x01h\x01ee"),  # a list that holds itself
        (ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02O8", ROW), b"]K\x01a"),
        (ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02u1", b"]"), b"]K\x01a"),
        (ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02u1", ROW), b"]\x8a\x40" + b"\x7f" * 64 + b"a"),
    ],
)
def test_an_array_of_nonsense_is_refused_soon(tmp_path, data, labels) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(batch(ARRAY % (b"K\x01M\x00\x0c\x86", b"U\x02u1", ROW), b"]K\x01a"))
    assert read_batches([path])[0].shape == (1, 3072), "the same without nonsense is read"
    assert_refused(tmp_path, batch(data, labels), "not an official CIFAR batch|labels in 0")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("package", [b"numpy._core", b"numpy.core"])
def test_the_official_format_is_read_as_python_2_and_numpy_1_and_2_write_it(tmp_path, protocol, package) -> None:
    """Official are byte strings as keys and a list of labels; NumPy 2 has moved the function that makes arrays."""
    write_batch(tmp_path / "python 2", IMAGES, LABELS)
    content = pickle.dumps({b"data": IMAGES, b"labels": LABELS.tolist(), b"filenames": [b"a", b"b"]}, protocol=protocol)
    moved = b"numpy._core.multiarray"
    shorter = package + b".multiarray"
    assert content.count(moved) == 1
    if protocol == 4:  # names and frames say how long they are
        content = content.replace(b"\x8c" + bytes([len(moved)]) + moved, b"\x8c" + bytes([len(shorter)]) + shorter)
        frame = struct.unpack("<Q", content[3:11])[0] - len(moved) + len(shorter)
        content = content[:3] + struct.pack("<Q", frame) + content[11:]
    else:
        content = content.replace(moved, shorter)
    (tmp_path / "python 3").write_bytes(content)
    for name in ("python 2", "python 3"):
        images, labels = read_batches([tmp_path / name])
        assert np.array_equal(images, IMAGES)
        assert np.array_equal(labels, LABELS)
