"""A study's sets are found together, parsed once, and their rows are those of the dense reading."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

from distnlc.data import libsvm, libsvm_sets
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec

SET = "2 1:0.5 4:-2\n-1\n2 2:1 3:4\n-1 3:1e-3\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(root: Path, name: str, text: str = SET) -> Path:
    (root / "libsvm").mkdir(exist_ok=True)
    path = root / "libsvm" / name
    path.write_text(text)
    return path


def test_rows_are_those_of_the_dense_reading_and_normalized_over_all_features(tmp_path) -> None:
    write(tmp_path, "one.scale")
    dense, labels = libsvm.read(tmp_path, spec=DataSpec(name="libsvm/one"), seed=0)
    found = libsvm_sets.load(str(tmp_path), "one")
    assert (len(found), found.d_in, found.classes, found.labels.tolist()) == (4, 4, 2, labels.tolist())
    centered = dense - dense.mean(1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5)
    assert torch.allclose(found.inputs(), torch.from_numpy(expected), rtol=1e-12)
    assert not found.inputs()[1].any()  # a point without features
    order = np.array([2, 0, 0, 1])
    chosen = found.chosen(order)
    assert torch.equal(chosen.inputs(), found.inputs()[order])
    assert chosen.labels.tolist() == labels[order].tolist()
    assert len(chosen.chosen(np.array([], dtype=np.int64))) == 0


def test_a_set_of_many_features_is_kept_as_rows_where_a_dense_one_would_be_refused(tmp_path, monkeypatch) -> None:
    write(tmp_path, "wide", "1 1:1 99999:2\n2 5:1\n1 7:1\n2 8:3\n")
    monkeypatch.setattr(libsvm, "MOST_DENSE_BYTES", 10**6)
    with pytest.raises(DataError, match="99,999 features take"):
        libsvm.read(tmp_path, spec=DataSpec(name="libsvm/wide"), seed=0)
    found = libsvm_sets.load(str(tmp_path), "wide")
    assert found.chosen(np.array([0])).inputs().shape == (1, 99_999)
    assert len(found.values) == 5


def test_a_set_is_parsed_once_and_workers_never_need_the_parser(tmp_path, monkeypatch) -> None:
    path = write(tmp_path, "one")
    first = libsvm_sets.record(str(tmp_path), ["one"])
    assert first["sets"] == {"one": {"points": 4, "d_in": 4, "classes": 2}}
    assert list(first["files"]) == ["one"]
    imported, real = [], builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: imported.append(name) or real(name, *rest))
    assert libsvm_sets.record(str(tmp_path), ["one"]) == first
    libsvm_sets.load(str(tmp_path), "one")
    assert not [name for name in imported if name.startswith(("sklearn", "scipy"))]
    path.write_text(SET + "3 1:1\n3 2:1\n")
    assert libsvm_sets.record(str(tmp_path), ["one"])["sets"]["one"]["classes"] == 3


def test_all_missing_sets_are_named_at_once_with_the_command_that_goes_on_without_them(tmp_path) -> None:
    write(tmp_path, "one.scale")
    write(tmp_path, "two.t")
    with pytest.raises(DataError) as caught:
        libsvm_sets.record(str(tmp_path), ["one", "two", "One", "four.scale.tr"])
    message = str(caught.value)
    assert message.startswith("sets not found: two, One, four.scale.tr. Looked for two.scale, two_scale, two, ")
    assert "--set libsvm.sets=[one]" in message
    assert f"{tmp_path / 'libsvm'}: holds one.scale, two.t" in message
    with pytest.raises(DataError) as caught:
        libsvm_sets.record(str(tmp_path), ["two"])
    assert "To go on" not in str(caught.value)


def test_names_that_lead_elsewhere_and_test_files_are_refused(tmp_path) -> None:
    for name in ("../one", "one.t", "one.t.bz2", ""):
        with pytest.raises(DataError, match=r"libsvm\.sets: expected names of sets"):
            libsvm_sets.record(str(tmp_path), [name])


def test_without_a_folder_the_advice_names_one(monkeypatch) -> None:
    monkeypatch.delenv("DISTNLC_DATA", raising=False)
    with pytest.raises(DataError, match=r"libsvm\.sets: its files are needed and no folder is named\. Point to"):
        libsvm_sets.record(None, ["one"])


def test_a_torn_file_of_the_cache_is_named(tmp_path, cache) -> None:
    write(tmp_path, "one")
    libsvm_sets.load(str(tmp_path), "one")
    (torn,) = cache.iterdir()
    torn.write_bytes(torn.read_bytes()[:40])
    libsvm_sets._facts.cache_clear()
    with pytest.raises(DataError, match=rf"{torn.name}: this parsed set cannot be read .*; delete it"):
        libsvm_sets.load(str(tmp_path), "one")
