"""Addresses of accounts."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.urls import path

from mer_site.accounts import LoginView, SignupView

app_name = "accounts"

urlpatterns = [
    path("signup/", SignupView.as_view(), name="signup"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
]
