"""Addresses of accounts."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.urls import path

from mer_site.accounts.views import AccountView, LoginView, PasswordView, SignupView
from mer_site.preferences.theme import theme_choose

app_name = "accounts"

urlpatterns = [
    path("", AccountView.as_view(), name="account"),
    path("password/", PasswordView.as_view(), name="password"),
    path("theme/", theme_choose, name="theme"),
    path("signup/", SignupView.as_view(), name="signup"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
]
