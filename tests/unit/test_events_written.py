"""JSON with its numbers as they were written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import written

NUMBERS = ["0", "-0", "1", "1.0", "1.50", "1e3", "1E+3", "-0.0", "1e999", "9" * 40, "9" * 5_000, "0.1e-7"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_keep_their_spelling(number: str) -> None:
    text = f'{{"a":[{number},{{"b":{number}}}]}}'
    assert written.dumps(written.loads(text)) == text
    assert written.as_text(written.loads(number)) == number
    if len(number) < 4_300:
        assert written.loads(number) == json.loads(number)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(json_values)
def test_any_value_comes_back(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert written.loads(text) == value
    assert written.dumps(written.loads(text)) == text
    assert written.loads(written.dumps(value, ascii_only=True)) == value


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a":-Infinity}', "", "{", b"\xff", '{"a":1}'.encode("utf-16")]
)
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        written.loads(text)


def test_lone_surrogates_survive_as_escapes() -> None:
    assert written.dumps(written.loads('["\\ud800"]'), ascii_only=True) == '["\\ud800"]'
