"""What `~` means, and where what can be remade is kept on a machine without a home folder that can be written."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from distnlc import files
from distnlc.files import NoHomeError, at_home, cache_folder, settle_home


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home folder, and nothing that names a cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for variable in ("DISTNLC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    files._temporary_cache.cache_clear()
    yield
    files._temporary_cache.cache_clear()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the variable HOME nor an entry in the list of users, as with `docker run --user 12345`."""

    def unknown(_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("~/x", "HOME/x"),
        ("~", "HOME"),
        ("--out=~/x", "--out=HOME/x"),
        ("--set=data.root=~/x", "--set=data.root=HOME/x"),
        ("data.root=~/x y", "data.root=HOME/x y"),
        ("data.root=~", "data.root=~"),  # YAML's null
        ("x~/y", "x~/y"),
        ("a/~/y", "a/~/y"),
        ("--out=./~/x", "--out=./~/x"),
        ("--root=~root/x", f"--root={pwd.getpwuid(0).pw_dir}/x"),
    ],
)
def test_the_home_folder_is_meant_where_a_shell_means_it_and_behind_an_equals_sign(word: str, expanded: str) -> None:
    assert at_home(word) == expanded.replace("HOME", os.environ["HOME"])


@pytest.mark.usefixtures("nobody")
def test_a_home_that_nobody_knows_is_no_folder_called_tilde() -> None:
    for known in (False, True):
        with pytest.raises(NoHomeError, match=r"^--out=~/x: no home folder is known for ~; write the path out$"):
            at_home("--out=~/x")
        assert known or not settle_home()
    assert Path.home() == Path(files.NOWHERE), "libraries ask for it"


@pytest.mark.usefixtures("nobody")
def test_without_a_home_folder_the_cache_is_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = cache_folder()
    settle_home()
    assert cache_folder() == before == tmp_path / "tmp" / f"distnlc-cache-{os.getuid()}"
    assert before.stat().st_mode & 0o777 == 0o700
    assert "~" not in os.listdir()


def test_where_the_home_cannot_be_written_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert cache_folder() == cache_folder() == tmp_path / "tmp" / f"distnlc-cache-{os.getuid()}"
    assert caplog.messages == [
        f"prepared data go to {cache_folder()}: {tmp_path}/file/.cache cannot be written; DISTNLC_CACHE names another "
        "folder"
    ]


def test_a_home_that_may_not_be_written_counts_as_one_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for root, whom permissions do not keep out."""
    monkeypatch.setattr(files.os, "access", lambda path, _: not str(path).startswith(os.environ["HOME"]))
    assert cache_folder().parent == tmp_path / "tmp"


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_a_temporary_cache_that_others_could_write_is_not_used(kind: str, tmp_path: Path) -> None:
    """Compiled programs lie in it."""
    planted, elsewhere = tmp_path / "tmp" / f"distnlc-cache-{os.getuid()}", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        planted.symlink_to(elsewhere)
    elif kind == "file":
        planted.touch()
    else:
        planted.mkdir()
        planted.chmod(0o777)
    assert cache_folder().parent == tmp_path / "tmp"
    assert cache_folder() != planted
    assert cache_folder().stat().st_mode & 0o777 == 0o700


def test_where_nothing_at_all_can_be_written_whoever_writes_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path / "file"))
    assert cache_folder() == tmp_path / "file" / ".cache" / "distnlc"
