"""Addresses: wrong ones are refused at once and with a reason, and no password is ever shown."""

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from distnlc.tracking import TrackingError, checked_uri, default_uri, masked, ui_command, usable_uri
from distnlc.tracking.address import sqlite_file


@pytest.mark.parametrize(
    "uri",
    [
        "http://host:5000",
        "https://user:password@host/mlflow",
        "http://[::1]:5000",
        "sqlite:///mlflow.db",
        "postgresql+psycopg2://user:password@host:5432/mlflow",
    ],
)
def test_servers_and_databases_are_taken(uri: str) -> None:
    checked_uri(uri)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:/data/mlruns", "no longer writes to plain folders"),
        ("mlruns", "expected a server, such as http://HOST:5000, or a database"),
        ("s3://bucket/mlruns", "expected a server"),
        ("http://", "no host in it"),
        ("http://host:port", "a port that is no number"),
        ("sqlite://", "names no file"),
        ("sqlite:////nowhere/mlflow.db", "there is no folder /nowhere"),
        ("sqlite:////data/q?x=1/mlflow.db", "A \\? in a path is written as %3F"),
        ("sqlite://data/mlflow.db", "Invalid SQLite URL"),
        ("mysql+nothing://user:password@host/mlflow", "mysql"),
        ("mysql+pymysql://user:password@host/mlflow", "needs the Python package pymysql, which is not installed here"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(uri: str, reason: str) -> None:
    with pytest.raises(TrackingError, match=reason) as refusal:
        checked_uri(uri)
    assert str(refusal.value).startswith(f"tracking address {masked(uri)}: ")
    assert "password" not in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["plain", "a b", "a#b", "ü'\"é", "a@b", "token=5", "50%", "a%20b", "q?x=1", "q%3Fx?uri=true", "-x", "$(x)"]
)
def test_the_address_of_a_file_is_read_as_that_file_whatever_its_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    uri = default_uri(folder)
    assert sqlite_file(uri) == folder / "mlflow.db"
    assert checked_uri(uri) == uri
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.execute(text("create table t (a int)"))
    engine.dispose()
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
    assert os.listdir(tmp_path) == [name]
    typed = shlex.split(ui_command(uri))
    if "%" in uri.removeprefix("sqlite:///").replace("50%/", ""):  # MLflow would make the folder of the quoted name
        assert typed[:3] == ["cd", str(folder), "&&"]
        assert typed[-1] == "sqlite:///mlflow.db"
    else:
        assert typed[-1] == uri


def test_a_name_that_is_no_text_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="MLflow can have no database in a folder of this name"):
        default_uri(tmp_path / os.fsdecode(b"\xff"))


def test_an_address_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is printed for others to use, from other folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_uri("sqlite:///a.db") == checked_uri("sqlite:///~/a.db") == f"sqlite:///{tmp_path}/a.db"
    assert checked_uri("sqlite:///a.db?timeout=5") == "sqlite:///a.db?timeout=5"
    assert checked_uri("http://host:5000/~ann") == "http://host:5000/~ann"


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"letters" * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db: file is not a database\. Move it away"):
        checked_uri(default_uri(tmp_path))
    assert (tmp_path / "mlflow.db").read_bytes() == b"letters" * 100


@pytest.mark.parametrize("beside", ["", "-wal", "-shm", "-journal"])
def test_nothing_is_written_through_a_link(beside: str, tmp_path: Path) -> None:
    (tmp_path / f"mlflow.db{beside}").symlink_to(tmp_path / "victim")
    with pytest.raises(TrackingError, match=f"mlflow.db{beside}: a symbolic link"):
        usable_uri(default_uri(tmp_path))


def test_passwords_and_tokens_are_masked_wherever_they_stand() -> None:
    text = "no answer from https://ann:s3cret/x@host:5000/api?token=s3cret&page=2, then postgresql://s3cret@db/x"
    assert masked(text) == "no answer from https://***@host:5000/api?token=***&page=2, then postgresql://***@db/x"
    assert masked("postgresql://db/x?user=ann&password=s3cret") == "postgresql://db/x?user=ann&password=***"
    assert masked("distnlc run quick --out s3://bucket/study") == "distnlc run quick --out s3://bucket/study"
    assert "s3cret" not in ui_command("postgresql://ann:s3cret@db/x")
    assert ui_command("http://ann:s3cret@host:5000") == "http://***@host:5000"


def test_the_command_that_shows_the_mirror_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/mlflow")
    uri = default_uri(Path("/data/my study"))
    assert uri == "sqlite:////data/my study/mlflow.db"
    assert ui_command(uri) == "mlflow ui --backend-store-uri 'sqlite:////data/my study/mlflow.db'"
    assert ui_command("http://host:5000") == "http://host:5000"
    monkeypatch.setattr(shutil, "which", lambda _: None)  # the virtual environment is not active
    assert ui_command(uri).startswith(f"{Path(sys.executable).parent}/mlflow ui")
