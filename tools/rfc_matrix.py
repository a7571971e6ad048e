"""Ties the tests to the requirements of the standard and writes docs/compliance.md.

    tools/rfc_matrix.py                       write the page
    tools/rfc_matrix.py --check               fail if the page is not what would be written
    tools/rfc_matrix.py --todo                what is not done, by feature
    tools/rfc_matrix.py --against DIRECTORY   compare the lists with the texts rfcNNNN.txt
    tools/rfc_matrix.py --forget 5944-3.2-1   write it although that requirement lost its last test

Fails with one sentence for each test that names a requirement which does not exist, each requirement that lost its last
test, each that has neither tests nor a reason, and each that has both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rfc import page, texts
from rfc.markers import Evidence, collect
from rfc.requirements import Document, ListError, load, unlisted

REPOSITORY = Path(__file__).resolve().parent.parent


def faults(
    documents: Sequence[Document],
    evidence: Evidence,
    others: Mapping[str, str],
    before: frozenset[str],
    forgotten: Sequence[str],
) -> Iterator[str]:
    """Everything that makes the page untrue."""
    yield from evidence.faults
    known = {one.id: one for document in documents for one in document.requirements()}
    for (document, section, item), tests in sorted(evidence.tests.items()):
        if document not in others and f"{document}-{section}-{item}" not in known:
            yield f"{', '.join(tests)}: there is no requirement {document}-{section}-{item}"
    for one in known.values():
        names = page.shows(one, evidence.tests)
        reason = one.not_done or one.not_applicable
        if names and reason is not None:
            yield f"{one.id} has tests and also a reason to have none: remove the reason ({reason})"
        elif not names and one.id in before and one.id not in forgotten:
            yield f"{one.id} has lost its last test"
        elif not names and reason is None:
            yield f"{one.id} has neither a test nor a reason"
    for name in sorted(before - known.keys() - set(forgotten)):
        yield f"{name} was tested and is not in the lists any more"


def todo(documents: Sequence[Document], evidence: Evidence) -> str:
    lines = []
    for document in documents:
        must, should, not_done, not_applicable = page.summary(document, evidence.tests)
        lines.append(
            f"RFC {document.number}: MUST {must}, SHOULD {should},"
            f" not done {not_done}, not applicable {not_applicable}"
        )
    for feature, waiting in page.by_feature(documents, evidence.tests).items():
        lines.append(f"\n{feature} ({len(waiting)})")
        lines += [f"  {one.id:18} {one.level:10} {', '.join(one.roles)}: {one.text}" for one in waiting]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="the repository, this one by default")
    parser.add_argument("--forget", action="append", default=[], metavar="REQUIREMENT")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true")
    what.add_argument("--todo", action="store_true")
    what.add_argument("--against", type=Path, metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    lists = options.root / "docs/rfc/requirements"
    target = options.root / "docs/compliance.md"
    try:
        documents, others = load(lists), unlisted(lists)
    except ListError as error:
        return _fail([str(error)])
    if options.against is not None:
        return _fail(
            [wrong for document in documents for wrong in texts.differences(document, options.against)]
        )
    evidence = collect(options.root / "tests")
    if options.todo:
        print(todo(documents, evidence))
        return 0
    present = target.read_text() if target.exists() else ""
    found = list(faults(documents, evidence, others, page.already_tested(present), options.forget))
    if found:
        return _fail(found)
    written = page.render(documents, evidence.tests, others)
    if not options.check:
        target.write_text(written)
    elif written != present:
        return _fail([f"{target.name} is not what the lists and the markers give: run tools/rfc_matrix.py"])
    return 0


def _fail(sentences: Sequence[str]) -> int:
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
