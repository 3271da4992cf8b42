"""Study files from strangers: plain data or one short message, soon; never code, never a path out of the folder."""

import time
from pathlib import Path

import pytest

from distnlc.spec import SpecError, assign, read_yaml
from distnlc.studies import from_fields

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=False)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=False)
)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch witness']",
        "kind: !!python/object/new:os.system ['touch witness']",
        "kind: !!python/name:os.system",
        "kind: !!python/module:os",
        BOMB,
        MERGES,
        "kind: nlc\ndata: &a [*a]",
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 50_000,
        "kind: nlc\ndata: " + "[" * 400 + "]" * 400,
        "kind: nlc\nseed: 2020-99-99",
        "kind: nlc\nseed: !!int x",
        "kind: nlc\nseed: !!timestamp x",
        "kind: nlc\nseed: 0x" + "f" * 9_000,
        "kind: nlc\nseed: " + "9" * 9_000,
        "kind: nlc\nseed: " + "9" * 30,
        "kind: nlc\nseed: !!binary x",
        "kind: nlc\nseed: [" + "1, " * 2_000 + "1]",
        "kind: [nlc]",
        "1: 2\nkind: nlc",
        "? [1]\n: 2",
        "a: \x00",
        "--- a\n--- b",
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_study_file_is_one_short_message_soon(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    with pytest.raises(SpecError) as caught:
        from_fields(read_yaml(text, where="study.yaml"), where="study.yaml")
    assert time.monotonic() - began < 10
    assert len(str(caught.value)) < 1000
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch witness']",
        "[&a [1], *a]",
        "[" * 100_000,
        "!!timestamp 2020-99-99",
        "!!int x",
    ],
    ids=lambda value: value[:30],
)
def test_a_hostile_assignment_is_one_message(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"^--set .*the value is not readable as YAML: "):
        assign({}, f"data.root={value}")
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize("name", ["../x", "/etc", "..", ".hidden", "a/b", "a\\b", "", "a\x1b[31m", "a\nb", "x" * 101])
def test_a_study_s_name_is_no_path(name: str) -> None:
    """Without --out the study is kept in studies/NAME."""
    with pytest.raises(SpecError, match="'name': expected at most 100 printable characters without /"):
        from_fields({"kind": "nlc", "name": name}, where="study.yaml")


def test_usual_names_are_taken() -> None:
    for name in ("quick", "my study 2.1", "Étude_3", "x" * 100):
        assert from_fields({"kind": "nlc", "name": name}, where="study.yaml").name == name
