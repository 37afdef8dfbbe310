"""The header Upload-Metadata of tus, whatever a client sends."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from catalog.exceptions import UploadRequestInvalidError
from catalog.uploads.api import metadata_read

keys = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=10)


@given(metadata=st.dictionaries(keys, st.text(max_size=50), max_size=5))
def test_what_a_client_says_is_understood(metadata: dict[str, str]) -> None:
    header = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
    assert metadata_read(header) == metadata


@given(header=st.text(max_size=200))
def test_any_header_is_understood_or_refused(header: str) -> None:
    try:
        metadata = metadata_read(header)
    except UploadRequestInvalidError:
        return
    assert all(isinstance(value, str) for value in metadata.values())
