"""Writes the pages of docs/ that say what the program itself knows: configuration.md, reasons.md and show.md.

    tools/docs.py            write the pages
    tools/docs.py --check    fail if a page is not what would be written

Fails with one sentence for each key of the configuration that nobody has explained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pages import configuration, reasons, show

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = {"configuration.md": configuration.render, "reasons.md": reasons.render, "show.md": show.render}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    sentences = list(configuration.unexplained())
    for name, render in PAGES.items() if not sentences else ():
        path, written = REPOSITORY / "docs" / name, render()
        if not options.check:
            path.write_text(written)
        elif not path.exists() or path.read_text() != written:
            sentences.append(f"docs/{name} is not what the program says: run tools/docs.py")
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
