"""Addresses: wrong ones are refused at once and with a reason, and no password is ever shown."""

import shutil
import sys
from pathlib import Path

import pytest

from distnlc.tracking import TrackingError, checked_uri, default_uri, masked, ui_command


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
        ("mysql+nothing://user:password@host/mlflow", "mysql"),
        ("mysql+pymysql://user:password@host/mlflow", "needs the Python package pymysql, which is not installed here"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(uri: str, reason: str) -> None:
    with pytest.raises(TrackingError, match=reason) as refusal:
        checked_uri(uri)
    assert str(refusal.value).startswith(f"tracking address {masked(uri)}: ")
    assert "password" not in str(refusal.value)


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
