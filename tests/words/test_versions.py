"""What identifies code, and how many cores a process may use."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distnlc.versions import Code, code_of, cores, versions
from tests.helpers.plugged import forget

CodeOf = Callable[[Path], Code]


@pytest.fixture
def lab_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeOf]:
    """The code of the package `lab` in a folder, as a new process finds it."""

    def found(folder: Path) -> Code:
        forget("lab")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            return code_of("lab")

    yield found
    forget("lab")


def write_lab(folder: Path, **changes: str) -> Path:
    (folder / "lab" / "fast").mkdir(parents=True)
    texts = {"__init__.py": "", "metric.py": "A = 1\n", "fast/part.c": "int a;\n", "notes.txt": "a", **changes}
    for name, text in texts.items():
        (folder / "lab" / name).write_text(text)
    return folder


def test_the_same_sources_in_two_places_are_the_same_code_and_other_sources_are_another(
    tmp_path: Path, lab_in: CodeOf
) -> None:
    one = lab_in(write_lab(tmp_path / "one"))
    assert one == lab_in(write_lab(tmp_path / "two", **{"notes.txt": "b"}))
    for number, changed in enumerate([{"metric.py": "A = 2\n"}, {"fast/part.c": "int b;\n"}, {"more.py": ""}]):
        assert one != lab_in(write_lab(tmp_path / str(number), **changed))
    assert str(one) == f"lab ({one.digest[:12]}) in {tmp_path}/one/lab"


def test_a_module_of_one_file_and_a_package_without_init_have_code_too(tmp_path: Path, lab_in: CodeOf) -> None:
    (tmp_path / "lab.py").write_text("A = 1\n")
    module = lab_in(tmp_path)
    assert module.place == f"{tmp_path}/lab.py"
    (tmp_path / "lab.py").write_text("A = 2\n")
    assert code_of("lab") != module
    write_lab(tmp_path / "open")
    (tmp_path / "open" / "lab" / "__init__.py").unlink()
    assert lab_in(tmp_path / "open").place == f"{tmp_path}/open/lab"


def test_the_own_code_is_named_with_its_version() -> None:
    assert str(code_of("distnlc")).startswith(f"distnlc {versions()['distnlc']} (")


def test_the_cores_are_those_that_the_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= cores() <= len(before)
