"""SHA-256, without hashlib, which loads OpenSSL: a fifth of what a small command costs."""

from __future__ import annotations

try:
    from _sha256 import sha256
except ImportError:  # CPython from 3.12 on
    try:
        from _sha2 import sha256
    except ImportError:  # another Python
        from hashlib import sha256


def hexdigest(data: bytes) -> str:
    return str(sha256(data).hexdigest())
