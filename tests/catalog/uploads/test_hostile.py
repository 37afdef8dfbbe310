"""Damaged files and bombs are taken, or refused with a code and a sentence; in large, `bench/hostile.py`."""

from __future__ import annotations

import io

import numpy as np
import pytest

from catalog.models import Upload
from catalog.uploads.services import upload_create
from tests import hostile

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return hostile.originals(tmp_path_factory.mktemp("originals"), 6.0)


def _check(name: str, data: bytes) -> Upload:
    upload = upload_create(owner=None, file=io.BytesIO(data), file_name=name)
    if upload.outcome == Upload.Outcome.ACCEPTED:
        assert upload.song is not None, name
        assert 5.0 <= upload.song.duration_s <= 7200.0, name
    else:
        assert upload.failure_code, name
        assert upload.failure_reason.endswith("."), name
        assert "Errno" not in upload.failure_reason, name
    return upload


def test_damaged_files_are_taken_or_refused_with_a_sentence(good: dict[str, bytes]) -> None:
    outcomes = {_check(*each).outcome for each in hostile.mutated(good, 60, np.random.default_rng(7))}
    assert outcomes >= {Upload.Outcome.ACCEPTED, Upload.Outcome.FAILED}


def test_bombs_are_taken_or_refused_with_a_sentence(good: dict[str, bytes]) -> None:
    small = hostile.bombs(good["mp3"], hostile.N_BOMBS, np.random.default_rng(7), largest=0.1)
    outcomes = {_check(*each).outcome for each in small}
    assert outcomes == {Upload.Outcome.ACCEPTED, Upload.Outcome.FAILED}
