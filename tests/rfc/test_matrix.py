"""tools/rfc_matrix.py on a small repository of its own: each fault is told in one sentence, and none is missed."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

LIST = """
document = "9999"
title = "A Protocol"
scope = ["1", "2"]

[[section]]
number = "1"
title = "First"
key_words = 3
[section.requirements]
1 = { level = "MUST", roles = ["wire"], text = 'a "MUST" that is tested' }
2 = { level = "SHOULD NOT", roles = ["wire"], text = "another", not_done = "colour: not built yet" }
[section.exceptions]
3 = "a quotation"

[[section]]
number = "2.1"
title = "Second"
key_words = 1
[section.requirements]
1 = { level = "MUST", roles = ["others"], text = "a third", not_applicable = "for others" }
"""
TEST = """
import pytest

@pytest.mark.rfc("9999", "1", 1)
def test_it(): ...
"""
TEXT = """\
1. First .......... 1

1.  First

   You MUST do.  You SHOULD
   NOT do.  "REQUIRED".
Somebody                  Standards Track                 [Page 1]
RFC 9999                 A Protocol                  November 2026

2.1.  Second

   Others MUST.  They must.
"""


class Repository:
    """A list, a test, and the tool run on them."""

    def __init__(
        self, root: Path, run: Callable[[list[str]], int], capture: pytest.CaptureFixture[str]
    ) -> None:
        self.root, self._run, self._capture = root, run, capture
        self.lists = root / "docs/rfc/requirements"
        self.lists.mkdir(parents=True)
        (root / "tests").mkdir()
        self.list(LIST)
        self.test(TEST)

    @property
    def page(self) -> Path:
        return self.root / "docs/compliance.md"

    def list(self, text: str, name: str = "rfc9999.toml") -> None:
        (self.lists / name).write_text(text)

    def test(self, text: str, name: str = "test_one.py") -> None:
        (self.root / "tests" / name).write_text(textwrap.dedent(text))

    def run(self, *arguments: str) -> str:
        """What the tool says; nothing when it is content."""
        status = self._run(["--root", str(self.root), *arguments])
        shown = self._capture.readouterr()
        assert (status == 1) == bool(shown.err)
        return shown.err or shown.out


@pytest.fixture
def repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Repository:
    monkeypatch.syspath_prepend(str(TOOLS))
    return Repository(tmp_path, importlib.import_module("rfc_matrix").main, capsys)


def test_page_is_written_and_found_true(repository: Repository) -> None:
    assert repository.run() == ""
    page = repository.page.read_text()
    assert '| 9999-1-1 | MUST | wire | a "MUST" that is tested | `test_one::test_it` |' in page
    assert "| 9999-1-2 | SHOULD NOT | wire | another | **not done** (colour): not built yet |" in page
    assert "| 9999-2.1-1 | MUST | others | a third | not applicable: for others |" in page
    assert "Key word 3: a quotation." in page
    assert "| RFC 9999 | 1 of 1 (100.0%) | 0 of 1 (0.0%) | 1 | 1 |" in page
    assert "| colour | 0 | 1 | 9999-1-2 |" in page
    assert repository.run("--check") == ""
    assert "colour (1)" in repository.run("--todo")


def test_page_that_was_changed_is_not_true(repository: Repository) -> None:
    assert "run tools/rfc_matrix.py" in repository.run("--check")
    repository.run()
    repository.page.write_text(repository.page.read_text().replace("another", "something else"))
    assert "run tools/rfc_matrix.py" in repository.run("--check")


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ('("9999", "1", 9)', "test_one::test_it: there is no requirement 9999-1-9"),
        ('("9999", "1", 3)', "there is no requirement 9999-1-3"),
        ('("9999", "7", 1)', "there is no requirement 9999-7-1"),
        ('("9998", "1", 1)', "there is no requirement 9998-1-1"),
        ('("9999", "1", 1, 2)', "9999-1-2 has tests and also a reason to have none: remove the reason"),
        ('("9999", "2.1", 1)', "9999-2.1-1 has tests and also a reason to have none"),
        ('("9999", "1")', "tests/test_one.py:4: the rfc marker is not written as"),
        ('("9999", "1", "1")', "the rfc marker is not written as"),
        ('("9999", "1", True)', "the rfc marker is not written as"),
        ('("9999", "1", 0 + 1)', "the rfc marker is not written as"),
        ("(*KEY)", "the rfc marker is not written as"),
    ],
)
def test_marker_that_cannot_be_right(repository: Repository, marker: str, sentence: str) -> None:
    repository.test(f"import pytest\n\n\n@pytest.mark.rfc{marker}\ndef test_it(): ...\n")
    repository.test(TEST, "test_two.py")
    said = repository.run()
    assert sentence in said and said.count("\n") == 1
    assert not repository.page.exists()


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ('@pytest.mark.rfc("9999", "1", 1)\ndef helper(): ...', "is on nothing that pytest would run"),
        (
            '@pytest.mark.rfc("9999", "1", 1)\n@pytest.mark.skip\ndef test_it(): ...',
            "which is always skipped",
        ),
        ('def test_it():\n    pytest.mark.rfc("9999", "1", 1)', "is on nothing that pytest would run"),
    ],
)
def test_marker_on_what_shows_nothing(repository: Repository, module: str, sentence: str) -> None:
    repository.test(f"import pytest\n\n{module}\n")
    assert sentence in repository.run()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ('pytestmark = [pytest.mark.netns, pytest.mark.rfc("9999", "1", 1)]\ndef test_it(): ...', "test_it"),
        (
            'class TestIt:\n    @pytest.mark.rfc("9999", "1", 1)\n    async def test_it(self): ...',
            "TestIt::test_it",
        ),
        ('@pytest.mark.rfc("9999", "1", 1)\nclass TestIt:\n    def test_it(self): ...', "TestIt::test_it"),
        (
            '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.rfc("9999", "1", 1))])\n'
            "def test_it(x): ...",
            "test_it",
        ),
    ],
)
def test_marker_wherever_pytest_would_see_it(repository: Repository, module: str, name: str) -> None:
    repository.test(f"import pytest\n\n{module}\n")
    assert repository.run() == ""
    assert f"`test_one::{name}` |" in repository.page.read_text()


def test_requirement_that_loses_its_last_test(repository: Repository) -> None:
    repository.run()
    repository.test("def test_it(): ...\n")
    assert repository.run() == "9999-1-1 has lost its last test\n"
    assert repository.run("--check") == "9999-1-1 has lost its last test\n"
    tested = '1 = { level = "MUST", roles = ["wire"], text = \'a "MUST" that is tested\''
    repository.list(LIST.replace(tested, tested + ', not_done = "shape: gone again"'))
    assert repository.run() == "9999-1-1 has lost its last test\n", "a reason does not hide it"
    assert repository.run("--forget", "9999-1-1") == ""
    assert repository.run("--check") == ""


def test_tested_requirement_that_leaves_the_list(repository: Repository) -> None:
    repository.run()
    gone = LIST.replace('1 = { level = "MUST", roles = ["wire"], text = \'a "MUST" that is tested\' }\n', "")
    repository.list(gone.replace("[section.exceptions]", '[section.exceptions]\n1 = "forgotten"', 1))
    repository.test("def test_it(): ...\n")
    assert repository.run() == "9999-1-1 was tested and is not in the lists any more\n"


def test_requirement_with_neither_test_nor_reason(repository: Repository) -> None:
    repository.list(LIST.replace(', not_done = "colour: not built yet"', ""))
    assert repository.run() == "9999-1-2 has neither a test nor a reason\n"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("key_words = 3", "key_words = 4", "section 1 has 4 key words, but its entries are [1, 2, 3]"),
        ('3 = "a quotation"', "", "section 1 has 3 key words, but its entries are [1, 2]"),
        ('3 = "a quotation"', '2 = "a quotation"', "its entries are [1, 2, 2]"),
        ('"SHOULD NOT"', '"MAY"', "9999-1-2 has the level 'MAY'"),
        ('["others"]', '["router"]', "9999-2.1-1 has the roles ['router']"),
        ('["others"]', "[]", "9999-2.1-1 has the roles []"),
        ("colour: not built yet", "not built yet", 'not_done has to be "feature: reason"'),
        ("colour: not", 'colour: not", not_applicable = "n', "9999-1-2 is said to be both"),
        ('"another"', '"a|b"', "9999-1-2 holds a bar"),
        ('number = "2.1"', 'number = "3"', "section 3 is outside the scope of its list"),
        ('number = "2.1"', 'number = "1"', "RFC 9999 has two sections 1"),
        ("[section.exceptions]", "[section", "rfc9999.toml is not TOML"),
    ],
)
def test_list_that_breaks_its_rules(repository: Repository, old: str, new: str, sentence: str) -> None:
    assert old in LIST
    repository.list(LIST.replace(old, new))
    said = repository.run()
    assert sentence in said and said.count("\n") == 1


def test_document_without_a_list_has_to_be_named(repository: Repository) -> None:
    repository.test(
        TEST.replace("@pytest", '@pytest.mark.rfc("791", "3.2", 1)\n@pytest'),
    )
    assert "there is no requirement 791-3.2-1" in repository.run()
    repository.list('[documents]\n"791" = "still to be written"\n', "unlisted.toml")
    assert repository.run() == ""
    assert (
        "| RFC 791 section 3.2 | `test_one::test_it` | still to be written |" in repository.page.read_text()
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("You MUST do.", "You MUST do, and MUST.", "section 1 has 4 key words, the list says 3"),
        ("MUST do", "SHALL NOT do", "9999-1-1 is MUST in the list and MUST NOT in the text"),
        ("Others MUST.", "Others.", "section 2.1 has 0 key words, the list says 1"),
        (
            "They must.",
            "They must.\n\n2.2.  Third\n\n   RECOMMENDED.",
            "section 2.2 has 1 key words and is not",
        ),
    ],
)
def test_list_against_the_text(repository: Repository, old: str, new: str, sentence: str) -> None:
    text = repository.root / "rfc9999.txt"
    text.write_text(TEXT)
    assert repository.run("--against", str(repository.root)) == ""
    assert old in TEXT
    text.write_text(TEXT.replace(old, new))
    assert sentence in repository.run("--against", str(repository.root))


def test_key_words_in_small_letters(repository: Repository) -> None:
    (repository.root / "rfc9999.txt").write_text(TEXT)
    repository.list(LIST.replace("scope", "capitals = false\nscope"))
    assert "section 2.1 has 2 key words, the list says 1" in repository.run("--against", str(repository.root))
