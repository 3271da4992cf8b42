"""Ray's sockets have names that the system can take, also in a job whose temporary folder has a long one."""

import logging

import pytest

from distnlc.engine import ray_connection


@pytest.mark.parametrize(
    ("variables", "is_short"),
    [
        ({}, True),
        ({"TMPDIR": "/tmp"}, True),
        ({"TMPDIR": "/scratch/" + "x" * 26}, True),
        ({"TMPDIR": "/scratch/" + "x" * 27}, False),
        ({"TMPDIR": "/scratch/" + "ü" * 14}, False),
        ({"TMPDIR": "/scratch/" + "x" * 60, "RAY_TMPDIR": "/short"}, True),
        ({"RAY_TMPDIR": "/scratch/" + "x" * 60}, False),
    ],
)
def test_a_long_temporary_folder_is_left_for_a_short_one_and_that_is_said(
    variables: dict[str, str], is_short: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ray_connection._temp_folder() == (None if is_short else "/tmp/ray")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * (not is_short)
