"""Addresses: pages at /, the API at /api/v1/, players of other makers at /rest/."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from mer_site.accounts import AccountView, LoginView, PasswordView, SignupView
from mer_site.api import ApiDocsView, TokenView
from mer_site.health import healthz
from mer_site.installation import settings_views, setup_views
from mer_site.preferences import set_language, theme_choose, words
from mer_site.web_app import manifest, offline, worker

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

settings_urlpatterns = [
    path("", settings_views.settings_page, name="page"),
    path("signup/", settings_views.signup_choose, name="signup"),
    path("invitations/", settings_views.invitation_create, name="invitation_create"),
    path("invitations/<int:pk>/revoke/", settings_views.invitation_revoke, name="invitation_revoke"),
    path("accounts/", settings_views.accounts, name="accounts"),
    path("accounts/<int:pk>/", settings_views.account_change, name="account_change"),
    path("demo/remove/", settings_views.demo_songs_remove, name="demo_remove"),
]

setup_urlpatterns = [
    path("", setup_views.start, name="start"),
    *(path(f"{step.name}/", getattr(setup_views, step.name), name=step.name) for step in setup_views.STEPS),
    path("end/", setup_views.end, name="end"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("language/", set_language, name="set_language"),
    path("words/<slug:language>/<slug:digest>.js", words, name="words"),
    path("manifest.webmanifest", manifest, name="manifest"),
    # At the root, so that it may answer for every page.
    path("sw.js", worker, name="worker"),
    path("offline/", offline, name="offline"),
    path("admin/", admin.site.urls),
    path("accounts/", include((account_urlpatterns, "accounts"))),
    path("setup/", include((setup_urlpatterns, "setup"))),
    path("settings/", include((settings_urlpatterns, "settings"))),
    path("api/v1/", include(api_urlpatterns)),
    path("rest/", include("recommender.subsonic.urls")),
    path("api/", include("recommender.neighbours.audiomuse_urls")),
    path("", include("catalog.urls")),
    path("", include("emotion.urls")),
    path("", include("recommender.urls")),
    path("", include("training.urls")),
]

handler400 = "mer_site.errors.bad_request"
handler403 = "mer_site.errors.permission_denied"
handler404 = "mer_site.errors.page_not_found"
handler500 = "mer_site.errors.server_error"
