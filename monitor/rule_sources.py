"""Where each rule of a book is written: its entry, its document and its place, found again in the book's own texts.

Knows no engine. The compiled rule is what runs; this is what people wrote, for messages that point at it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.document import Document, Path
from rules.rule import RuleBook
from rules.rulebook import BookEntry, RuleEntry


@dataclass(frozen=True, slots=True)
class RuleSource:
    """One rule as it is written."""

    entry: RuleEntry
    document: Document
    path: Path
    """Of the entry, or of the rung of a ladder, within the document."""

    def at(self, *field: str) -> tuple[int, int]:
        """(line, column) of a field, or of the entry where it is not written."""
        return self.document.at((*self.path, *field))


def sources(book: RuleBook) -> dict[str, RuleSource]:
    """Rule's id → its source, in book order; O(the book's texts). The book was accepted, so its texts can be read."""
    found = {}
    for name, text in book.texts:
        document = Document(text, name)
        for entry, path in document.validate(BookEntry).placed():
            found[entry.id] = RuleSource(entry, document, path)
    return found
