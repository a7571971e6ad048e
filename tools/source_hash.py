"""One SHA-256 over everything the extension is compiled from.

setup.py compiles it into mobileip.dataplane._core as SOURCE_HASH; tests/conftest.py and tools/setup.sh
compare it with the tree, so nobody tests or measures an extension that is older than its sources.
"""

import hashlib
from pathlib import Path

DATAPLANE = Path("tools/pkg/mobileip/dataplane")
MODULE = DATAPLANE / "_core.pyx"


def c_sources(root: Path) -> list[Path]:
    """The C files of the data plane, sorted, relative to root."""
    return sorted(path.relative_to(root) for path in (root / DATAPLANE / "csrc").glob("*.c"))


def source_hash(root: Path) -> str:
    """Hex digest over the names and contents of the .pyx, .pxi, .pxd, .c and .h files below root."""
    digest = hashlib.sha256()
    base = root / DATAPLANE
    found = [
        path for pattern in ("*.pyx", "*.pxi", "*.pxd", "csrc/*.c", "csrc/*.h") for path in base.glob(pattern)
    ]
    for path in sorted(found):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(base)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__":
    print(source_hash(Path(__file__).resolve().parent.parent))
