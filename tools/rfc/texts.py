"""Requirement lists against the texts of the RFCs, which are not part of this repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rfc.requirements import Document

_KEY_WORDS: Final = (
    r"\b(MUST(?:\s+NOT)?|SHALL(?:\s+NOT)?|SHOULD(?:\s+NOT)?|REQUIRED|(?:NOT\s+)?RECOMMENDED)\b"
)
_LEVELS: Final = {
    "SHALL": "MUST",
    "SHALL NOT": "MUST NOT",
    "REQUIRED": "MUST",
    "RECOMMENDED": "SHOULD",
    "NOT RECOMMENDED": "SHOULD NOT",
}
_PAGE_EDGE: Final = re.compile(r"^(RFC \d+ .*\d{4}|\S.*\[Page \d+\])\s*$")
_HEADING: Final = re.compile(r"^([0-9]+(?:\.[0-9]+)*|[A-Z](?:\.[0-9]+)+)\.?\s+([A-Z].*)$")
_CONTENTS: Final = re.compile(r"\.{4,}|(\. ){4,}")


def sections(text: str, capitals: bool) -> dict[str, tuple[str, list[str]]]:
    """Title and levels of the key words, in their order, of each section that holds any."""
    pattern = re.compile(_KEY_WORDS, 0 if capitals else re.IGNORECASE)
    bodies: dict[str, tuple[str, list[str]]] = {}
    number = ""
    for line in text.replace("\f", "\n").splitlines():
        if _PAGE_EDGE.match(line):
            continue
        heading = _HEADING.match(line)
        if heading and not _CONTENTS.search(line):
            number = heading[1]
            bodies[number] = heading[2].strip(), []
        elif number:
            bodies[number][1].append(line)
    found = {}
    for number, (title, lines) in bodies.items():
        words = [" ".join(word.upper().split()) for word in pattern.findall("\n".join(lines))]
        if words:
            found[number] = title, [_LEVELS.get(word, word) for word in words]
    return found


def differences(document: Document, directory: Path) -> list[str]:
    """What the list of a document says otherwise than its text; sentences."""
    name = f"RFC {document.number}"
    text = (directory / f"rfc{document.number}.txt").read_text()
    found = sections(text, document.capitals)
    wrong = [
        f"{name} section {number} has {len(levels)} key words and is not in the list"
        for number, (_, levels) in found.items()
        if document.covers(number) and number not in {one.number for one in document.sections}
    ]
    for section in document.sections:
        _, levels = found.get(section.number, ("", []))
        if len(levels) != section.key_words:
            wrong.append(
                f"{name} section {section.number} has {len(levels)} key words, the list says {section.key_words}"
            )
            continue
        wrong += [
            f"{one.id} is {one.level} in the list and {levels[one.item - 1]} in the text"
            for one in section.requirements
            if one.level != levels[one.item - 1]
        ]
    return wrong
