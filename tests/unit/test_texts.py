"""Texts that come from outside."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offboarding.domain.texts import is_unicode


@given(text=st.text())
def test_a_text_of_whole_characters_is_unicode(text: str) -> None:
    assert is_unicode(text)
    assert is_unicode(json.loads(json.dumps(text)))


@pytest.mark.parametrize("code_point", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
@pytest.mark.parametrize("text", ["{}", "dana{}@example.com", "\ud7ff{}\ue000"])
def test_a_text_with_half_a_character_is_not_unicode(code_point: int, text: str) -> None:
    half = chr(code_point)
    assert not is_unicode(text.format(half))
    with pytest.raises(UnicodeEncodeError):
        text.format(half).encode()
