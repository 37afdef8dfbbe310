"""Addresses: pages at /, the API at /api/v1/."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from mer_site.accounts import AccountView, LoginView, PasswordView, SignupView
from mer_site.api import ApiDocsView, TokenView
from mer_site.health import healthz
from mer_site.preferences import set_language, theme_choose, words

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/token/", TokenView.as_view(), name="api-token"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", ApiDocsView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("catalog.api_urls")),
    path("", include("emotion.api_urls")),
    path("", include("recommender.api_urls")),
]

account_urlpatterns = [
    path("", AccountView.as_view(), name="account"),
    path("password/", PasswordView.as_view(), name="password"),
    path("theme/", theme_choose, name="theme"),
    path("signup/", SignupView.as_view(), name="signup"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("language/", set_language, name="set_language"),
    path("words/<slug:language>/<slug:digest>.js", words, name="words"),
    path("admin/", admin.site.urls),
    path("accounts/", include((account_urlpatterns, "accounts"))),
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
