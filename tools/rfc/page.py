"""The page docs/compliance.md: what is shown by which test, what is not done, what does not apply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rfc.markers import Key
from rfc.requirements import Document, Requirement, Section

Tests = Mapping[Key, Sequence[str]]

_TESTED_ROW = re.compile(r"^\| (\d+-[\w.]+-\d+) \|.*\| `[^|]*\|$", re.MULTILINE)

_HEAD = """\
# What the standard asks, and what shows it

Every MUST and SHOULD of the documents below, each with the tests that would fail if it were broken, or with the
reason why there is none. `tools/rfc_matrix.py` writes this page from the lists in `docs/rfc/requirements` and the
`rfc` markers of the tests; a test keeps it true.

An entry is named document-section-number, and the number is that of the key word in the text of the section:
5944-2.3.2-3 is the third of MUST, MUST NOT, SHOULD, SHOULD NOT, REQUIRED and so on in section 2.3.2 of RFC 5944. Key
words that ask nothing of their own, such as those of a quotation, are listed below their section. Tests are named
from `tests/`.
"""


def already_tested(page: str) -> frozenset[str]:
    """The requirements that a page written earlier shows as tested."""
    return frozenset(_TESTED_ROW.findall(page))


def render(documents: Sequence[Document], tests: Tests, others: Mapping[str, str]) -> str:
    parts = [_HEAD, _totals(documents, tests), _open(documents, tests)]
    for document in documents:
        parts.append(f"## RFC {document.number}: {document.title}\n")
        parts += [_section(document, section, tests) for section in document.sections]
    parts.append(_others(tests, others))
    return "\n".join(part for part in parts if part)


def shows(requirement: Requirement, tests: Tests) -> Sequence[str]:
    """The tests of a requirement."""
    return tests.get((requirement.document, requirement.section, requirement.item), ())


def counts(requirements: Iterable[Requirement], tests: Tests, level: str) -> tuple[int, int, int]:
    """Tested, applicable and not applicable requirements of MUST or SHOULD, with their NOT."""
    of_level = [one for one in requirements if one.level.startswith(level)]
    applicable = [one for one in of_level if one.not_applicable is None]
    tested = sum(1 for one in applicable if shows(one, tests))
    return tested, len(applicable), len(of_level) - len(applicable)


def summary(document: Document, tests: Tests) -> tuple[str, str, int, int]:
    """``x of y`` for MUST and for SHOULD, then how many are not done and not applicable."""
    requirements = list(document.requirements())
    must, must_all, must_na = counts(requirements, tests, "MUST")
    should, should_all, should_na = counts(requirements, tests, "SHOULD")
    not_done = must_all - must + should_all - should
    return _of(must, must_all), _of(should, should_all), not_done, must_na + should_na


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"


def _totals(documents: Sequence[Document], tests: Tests) -> str:
    rows = ["| document | MUST tested | SHOULD tested | not done | not applicable |", "|---|---|---|---|---|"]
    for document in documents:
        must, should, not_done, not_applicable = summary(document, tests)
        rows.append(f"| RFC {document.number} | {must} | {should} | {not_done} | {not_applicable} |")
    everything = [one for document in documents for one in document.requirements()]
    cells = []
    missing = absent = 0
    for level in ("MUST", "SHOULD"):
        tested, applicable, not_applicable = counts(everything, tests, level)
        cells.append(_of(tested, applicable))
        missing += applicable - tested
        absent += not_applicable
    rows.append(f"| all | {cells[0]} | {cells[1]} | {missing} | {absent} |")
    return "## Totals\n\n" + "\n".join(rows) + "\n"


def by_feature(documents: Sequence[Document], tests: Tests) -> dict[str, list[Requirement]]:
    """What is not done, by the feature it waits for, the largest first."""
    found: dict[str, list[Requirement]] = {}
    for document in documents:
        for one in document.requirements():
            if one.feature is not None and not shows(one, tests):
                found.setdefault(one.feature, []).append(one)
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def _open(documents: Sequence[Document], tests: Tests) -> str:
    features = by_feature(documents, tests)
    if not features:
        return ""
    rows = ["| waits for | MUST | SHOULD | requirements |", "|---|---|---|---|"]
    for feature, waiting in features.items():
        must = sum(one.level.startswith("MUST") for one in waiting)
        names = ", ".join(one.id for one in waiting)
        rows.append(f"| {feature} | {must} | {len(waiting) - must} | {names} |")
    return "## Not done\n\n" + "\n".join(rows) + "\n"


def _section(document: Document, section: Section, tests: Tests) -> str:
    lines = [f"### {document.number} section {section.number}: {section.title}\n"]
    if section.requirements:
        lines += ["| requirement | level | of | what | shown by |", "|---|---|---|---|---|"]
        lines += [_row(one, tests) for one in sorted(section.requirements, key=lambda one: one.item)]
        lines.append("")
    for reason, items in _grouped(section.exceptions):
        lines.append(f"Key word {items}: {reason}.\n")
    return "\n".join(lines)


def _row(one: Requirement, tests: Tests) -> str:
    names = shows(one, tests)
    if names:
        shown = ", ".join(f"`{name}`" for name in names)
    elif one.not_done is not None:
        feature, _, reason = one.not_done.partition(": ")
        shown = f"**not done** ({feature}): {reason}"
    else:
        shown = f"not applicable: {one.not_applicable}"
    return f"| {one.id} | {one.level} | {', '.join(one.roles)} | {one.text} | {shown} |"


def _grouped(exceptions: Mapping[int, str]) -> list[tuple[str, str]]:
    """Reasons with the numbers they hold for: runs as ``1 to 8``."""
    by_reason: dict[str, list[int]] = {}
    for item in sorted(exceptions):
        by_reason.setdefault(exceptions[item], []).append(item)
    grouped = []
    for reason, items in by_reason.items():
        is_run = len(items) > 2 and items == list(range(items[0], items[-1] + 1))
        grouped.append((reason, f"{items[0]} to {items[-1]}" if is_run else ", ".join(map(str, items))))
    return grouped


def _others(tests: Tests, others: Mapping[str, str]) -> str:
    rows = []
    for document, reason in others.items():
        found = sorted(
            {(key[1], name) for key, names in tests.items() if key[0] == document for name in names}
        )
        sections = sorted({section for section, _ in found})
        for section in sections:
            names = ", ".join(f"`{name}`" for at, name in found if at == section)
            rows.append(f"| RFC {document} section {section} | {names} | {reason} |")
    if not rows:
        return ""
    head = "## Documents without a list\n\n| of | tests that refer to it | why |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
