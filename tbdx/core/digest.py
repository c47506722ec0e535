"""SHA-256, and git's ids of blobs, without hashlib, which loads OpenSSL: a fifth of what a small command costs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# where CPython keeps the algorithm itself: up to 3.11, from 3.12 on, and any other Python
_PLACES = {"sha1": ("_sha1", "hashlib"), "sha256": ("_sha256", "_sha2", "hashlib")}


def hexdigest(data: bytes) -> str:
    """The SHA-256 of data, 64 hex digits."""
    return str(_algorithm("sha256")(data).hexdigest())


def blob_id(data: bytes, like: str) -> str:
    """The id git gives a blob, in the hash of the id `like`."""
    made = _algorithm("sha1" if len(like) == 40 else "sha256")
    return str(made(b"blob %d\0" % len(data) + data).hexdigest())


def _algorithm(name: str) -> Any:
    for module in _PLACES[name]:
        try:
            return getattr(__import__(module), name)
        except ImportError:
            continue
    raise ImportError(name)
