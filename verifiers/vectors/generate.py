#!/usr/bin/env python3
"""Writes the test vectors of this folder. README.md describes their format.

python3 generate.py           writes the files
python3 generate.py --check   fails if a file differs from what would be written
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generator import feed, keys, tokens

FOLDER = Path(__file__).parent
FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "tokens.json": tokens.document,
    "keys.json": keys.document,
    "feed.json": feed.document,
}


def texts() -> Iterator[tuple[Path, str]]:
    """Returns each file and its text."""
    for name, document in FILES.items():
        yield FOLDER / name, json.dumps(document(), indent=1, ensure_ascii=True) + "\n"


def main() -> int:
    stale = []
    for file, text in texts():
        if not file.exists() or file.read_text("ascii") != text:
            stale.append(file.name)
            if "--check" not in sys.argv[1:]:
                file.write_text(text, "ascii")
    if "--check" in sys.argv[1:] and stale:
        print(f"run generate.py: {', '.join(stale)} differ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
