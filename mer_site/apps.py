from django.apps import AppConfig


class MerSiteConfig(AppConfig):
    name = "mer_site"
    verbose_name = "Moodplane"

    def ready(self) -> None:
        from mer_site import checks  # noqa: F401 - importing registers the checks.
