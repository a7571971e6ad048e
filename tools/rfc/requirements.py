"""Requirement lists: one TOML file per RFC, one entry per key word of RFC 2119 in the order of the text.

The number of an entry is that of its key word within the section, so that anybody with the RFC at hand can find it. A
key word that states no requirement of its own is an exception, with its reason; so every key word is in the list.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LEVELS: Final = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
ROLES: Final = (
    "mobile-node",
    "home-agent",
    "foreign-agent",
    "wire",
    "data-plane",
    "operator",
    "others",  # nothing of ours: authors of standards, hosts of the link
)
UNLISTED: Final = "unlisted.toml"


@dataclass(frozen=True, slots=True)
class Requirement:
    """``not_done`` is ``feature: reason``; at most one of the two reasons is given."""

    document: str
    section: str
    item: int
    level: str
    roles: tuple[str, ...]
    text: str
    not_done: str | None = None
    not_applicable: str | None = None

    @property
    def id(self) -> str:
        return f"{self.document}-{self.section}-{self.item}"

    @property
    def feature(self) -> str | None:
        return None if self.not_done is None else self.not_done.partition(": ")[0]


@dataclass(frozen=True, slots=True)
class Section:
    """``key_words`` is how many key words the section's text holds."""

    number: str
    title: str
    key_words: int
    requirements: tuple[Requirement, ...]
    exceptions: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Document:
    """``scope`` are the sections listed, with all below them; ``capitals``: only capitals are key words."""

    number: str
    title: str
    scope: tuple[str, ...]
    capitals: bool
    sections: tuple[Section, ...]

    def requirements(self) -> Iterator[Requirement]:
        for section in self.sections:
            yield from section.requirements

    def covers(self, section: str) -> bool:
        return any(section == scope or section.startswith(scope + ".") for scope in self.scope)


class ListError(ValueError):
    """A requirement list is not as it has to be; one sentence."""


def load(directory: Path) -> tuple[Document, ...]:
    """All lists, the main document first.

    :raises ListError: a list breaks a rule of this module.
    """
    files = sorted(path for path in directory.glob("*.toml") if path.name != UNLISTED)
    documents = [_document(path) for path in files]
    if not documents:
        raise ListError(f"{directory} holds no requirement list")
    return tuple(sorted(documents, key=lambda document: -sum(one.key_words for one in document.sections)))


def unlisted(directory: Path) -> Mapping[str, str]:
    """Documents that tests may name although there is no list of their requirements yet, with the reason."""
    path = directory / UNLISTED
    return _read(path)["documents"] if path.exists() else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ListError(f"{path.name} is not TOML: {error}") from None


def _document(path: Path) -> Document:
    table = _read(path)
    number = table["document"]
    sections = tuple(_section(number, section) for section in table["section"])
    document = Document(number, table["title"], tuple(table["scope"]), table.get("capitals", True), sections)
    names = [section.number for section in sections]
    for name in names:
        if names.count(name) > 1:
            raise ListError(f"RFC {number} has two sections {name}")
        if not document.covers(name):
            raise ListError(f"RFC {number} section {name} is outside the scope of its list")
    return document


def _section(document: str, table: Mapping[str, Any]) -> Section:
    number = table["number"]
    requirements = tuple(
        _requirement(document, number, int(item), entry)
        for item, entry in table.get("requirements", {}).items()
    )
    exceptions = {int(item): reason for item, reason in table.get("exceptions", {}).items()}
    items = sorted([*(requirement.item for requirement in requirements), *exceptions])
    if items != list(range(1, table["key_words"] + 1)):
        raise ListError(
            f"RFC {document} section {number} has {table['key_words']} key words, but its entries are {items}"
        )
    return Section(number, table["title"], table["key_words"], requirements, exceptions)


def _requirement(document: str, section: str, item: int, entry: Mapping[str, Any]) -> Requirement:
    found = Requirement(
        document,
        section,
        item,
        entry["level"],
        tuple(entry["roles"]),
        entry["text"],
        entry.get("not_done"),
        entry.get("not_applicable"),
    )
    if found.level not in LEVELS:
        raise ListError(f"{found.id} has the level {found.level!r}, not one of {', '.join(LEVELS)}")
    if not found.roles or not set(found.roles) <= set(ROLES):
        raise ListError(f"{found.id} has the roles {list(found.roles)}, not some of {', '.join(ROLES)}")
    if found.not_done is not None and found.not_applicable is not None:
        raise ListError(f"{found.id} is said to be both not done and not applicable")
    if found.not_done is not None and not all(found.not_done.partition(": ")):
        raise ListError(f'{found.id}: not_done has to be "feature: reason"')
    if "|" in f"{found.text}{found.not_done}{found.not_applicable}":
        raise ListError(f"{found.id} holds a bar, which would end a cell of the page")
    return found
