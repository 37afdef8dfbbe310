from django.apps import AppConfig
from django.utils import formats, translation

from catalog.core import wording


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        wording.install(translation, formats.number_format)
