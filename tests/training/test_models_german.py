"""The pages of models in German; what a worker wrote into the verdicts of the gate stays English."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from emotion.models import ModelVersion
from tests.site.page_reader import differing, english_in
from tests.training.made_models import made_run_folder
from training.models import Retraining
from training.registry import services

pytestmark = pytest.mark.django_db


def test_the_pages_of_models_are_german(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    services.model_import_run(folder=made_run_folder(tmp_path, "kandidat-1", bias=1.0))
    other = ModelVersion.objects.exclude(pk=live.pk).get()
    Retraining.objects.create(recipe="refit")
    found = []
    for address in (
        "/models/",
        f"/models/{live.pk}/",
        f"/models/{other.pk}/",
        f"/models/{other.pk}/promote/",
        "/models/rollback/",
        f"/models/compare/?a={live.version}&b={other.version}",
        "/status/",
    ):
        german = client_staff.get(address, headers={"Accept-Language": "de"}).content.decode()
        assert '<html lang="de"' in german
        found += list(english_in(address, german))
        found += list(differing(address, german, client_staff.get(address).content.decode()))
    if found:
        pytest.fail("\n".join(dict.fromkeys(found)))
