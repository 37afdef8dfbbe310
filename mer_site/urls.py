"""Addresses: pages at /, the API at /api/v1/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from mer_site.api import ApiDocsView, TokenView
from mer_site.health import healthz
from mer_site.preferences.languages import set_language, words

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/token/", TokenView.as_view(), name="api-token"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", ApiDocsView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("catalog.api_urls")),
    path("", include("emotion.api_urls")),
    path("", include("recommender.api_urls")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("language/", set_language, name="set_language"),
    path("words/<slug:language>/<slug:digest>.js", words, name="words"),
    path("admin/", admin.site.urls),
    path("accounts/", include("mer_site.accounts.urls")),
    path("api/v1/", include(api_urlpatterns)),
    path("", include("catalog.urls")),
    path("", include("emotion.urls")),
    path("", include("recommender.urls")),
    path("", include("training.urls")),
]

handler400 = "mer_site.errors.bad_request"
handler403 = "mer_site.errors.permission_denied"
handler404 = "mer_site.errors.page_not_found"
handler500 = "mer_site.errors.server_error"
