"""Our JSON is the json package's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbdx.core import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_prints_what_json_prints(value: object) -> None:
    assert jsontext.dumps(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert jsontext.dumps(value, 2) == json.dumps(value, ensure_ascii=False, indent=2)


def test_what_is_no_json_is_refused() -> None:
    for value in (float("nan"), float("inf"), object(), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            jsontext.dumps(value)


def test_damaged_json_is_told_in_a_process_that_has_no_json_package() -> None:
    import subprocess
    import sys

    code = """
import sys
from tbdx.core.jsontext import loads
assert "json.decoder" not in sys.modules
for text in ("{", '{"a":', '"x', "[1,", '{"a" 1}', "\\x00"):
    try:
        loads(text)
    except ValueError:
        continue
    raise SystemExit(text)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
