"""Compiled code that others can change is not loaded; parameters of a wrong length never reach C."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.training import native_library
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.native_program import NativeProgram
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import start_of


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the compiled library in it."""
    folder = tmp_path_factory.mktemp("compiled") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_library, "cache_folder", lambda: folder)
        native_library._attempt.cache_clear()
        library(torch.float64)
    return folder


@pytest.fixture
def cache(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, to be spoiled."""
    shutil.copytree(compiled, tmp_path / "cache")
    monkeypatch.setattr(native_library, "cache_folder", lambda: tmp_path / "cache")
    native_library._attempt.cache_clear()
    yield tmp_path / "cache"
    native_library._attempt.cache_clear()


def test_the_own_library_is_loaded_also_from_a_shared_folder_where_nobody_can_exchange_it(cache: Path) -> None:
    cache.chmod(0o1777)
    library(torch.float64)


def test_a_library_that_everybody_can_write_is_not_loaded(cache: Path) -> None:
    (file,) = cache.glob("native-*.so")
    file.chmod(0o777)
    with pytest.raises(NoLibrary, match=r"native-.*can be changed by other users.*DISTNLC_CACHE"):
        library(torch.float64)


def test_a_library_in_a_folder_that_everybody_can_write_is_not_loaded(cache: Path) -> None:
    cache.chmod(0o777)
    with pytest.raises(NoLibrary, match=r"cache can be changed by other users.*DISTNLC_CACHE"):
        library(torch.float64)


def test_a_library_of_another_user_is_not_loaded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = cache.glob("native-*.so")
    stat, own = Path.stat, os.getuid()

    def of_another(path: Path, **options: bool) -> os.stat_result:
        found = list(stat(path, **options))
        return os.stat_result([*found[:4], own + 1 if path == file else own, *found[5:]])

    monkeypatch.setattr(Path, "stat", of_another)
    with pytest.raises(NoLibrary, match=r"native-.*can be changed by other users"):
        library(torch.float64)


@pytest.mark.parametrize("length", [1, 10_000])
def test_parameters_of_a_wrong_length_never_reach_c(length: int) -> None:
    """A checkpoint holds the runs' parameters, and it may come from anybody."""
    architecture = sample_architecture(1, seed=5, d_in=20, d_out=4, parameters=2_000, depth_max=9)
    start = start_of(architecture.build()).expanded(2)
    wrong = replace(start, rows=torch.zeros(2, length, dtype=torch.float64))
    with pytest.raises(ValueError, match=rf"expected rows of {start.rows.shape[1]} parameters .* found \({length},"):
        NativeProgram(wrong, TrainingSpec())
