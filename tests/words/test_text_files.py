"""Text is read and written as UTF-8, whatever the locale: a call that would take the locale's encoding is named."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("distnlc/**/*.py"), *ROOT.glob("analysis/**/*.py"), *ROOT.glob("cluster/**/*.py")]
ENCODING_AT = {"read_text": 0, "write_text": 1}
"""method -> position of its argument `encoding`"""
OPEN = {"open", "fdopen"}
BINARY = {"os.open", "gzip.open", "bz2.open", "lzma.open", "tarfile.open", "Image.open"}
"""functions named `open` that give bytes, an archive, an image or a file's number"""
PROCESSES = {"subprocess.run", "subprocess.Popen", "subprocess.check_output"}
JUDGED = {name.rpartition(".")[2] for name in (*ENCODING_AT, *OPEN, *PROCESSES)}
"""the last words of them all"""


def takes_the_locale_s(call: ast.Call) -> bool:
    """Whether the call reads or writes text without naming an encoding."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if last not in JUDGED:
        return False
    name, named = ast.unparse(call.func), {word.arg for word in call.keywords}
    if "encoding" in named or name in BINARY:
        return False
    if last in ENCODING_AT:
        return len(call.args) <= ENCODING_AT[last]
    if last in OPEN:
        return not any("b" in mode for mode in modes_of(call, is_method="." in name))
    return name in PROCESSES and bool(named & {"text", "universal_newlines", "errors"})


def locale_s_encoding(code: str) -> Iterator[int]:
    """The lines of such calls."""
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    return (call.lineno for call in calls if takes_the_locale_s(call))


def modes_of(call: ast.Call, is_method: bool) -> list[str]:
    arguments = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    first = 0 if is_method and ast.unparse(call.func) != "os.fdopen" else 1
    return [each.value for each in arguments[first:] if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def test_every_text_file_and_every_answer_of_a_program_has_its_encoding_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}, line {line}"
        for path in FILES
        for line in locale_s_encoding(path.read_text("utf-8"))
    ]
    assert FILES
    assert found == []


@pytest.mark.parametrize(
    ("code", "is_wrong"),
    [
        ("open('b')", True),
        ("open('b', 'rb')", False),
        ("open('b', encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('xb')", False),
        ("os.fdopen(3, 'r')", True),
        ("os.fdopen(3, 'rb', buffering=0)", False),
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text('b')", True),
        ("path.write_text('b', encoding='utf-8')", False),
        ("subprocess.run(words, text=True)", True),
        ("subprocess.run(words)", False),
    ],
)
def test_the_search_finds_what_it_should(code: str, is_wrong: bool) -> None:
    assert list(locale_s_encoding(code)) == [1] * is_wrong


@pytest.mark.slow
def test_a_terminal_that_lacks_a_character_gets_another_one(tmp_path: Path) -> None:
    """The study's name is written in a locale of ASCII; the folder's is not typed there."""
    (tmp_path / "study.yaml").write_text('kind: rehearsal\nname: "Größe – 1"\n', encoding="utf-8")
    code = "from distnlc.cli import main; main()"
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    words = [sys.executable, "-c", code, "plan", "study.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | ascii_only, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Gr??e ? 1: " in done.stdout
