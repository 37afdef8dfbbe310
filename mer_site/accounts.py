"""Signing up and signing in; what a visitor gathered before belongs to the account afterwards."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.generic import FormView

from recommender.services import session_adopt


class SignupForm(UserCreationForm[User]):
    """A user name and a password, nothing else."""

    class Meta:
        model = User
        fields = ("username",)


def _login_keeping_session(request: HttpRequest, user: User) -> None:
    # Signing in gives the session a new key, so the old one must be read before.
    session_key = request.session.session_key
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    if session_key:
        session_adopt(user=user, session_key=session_key)


@method_decorator(login_not_required, name="dispatch")
class SignupView(auth_views.RedirectURLMixin, FormView):
    """Make an account and sign in."""

    form_class = SignupForm
    template_name = "accounts/signup.html"
    next_page = "/"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        assert isinstance(form, SignupForm)
        _login_keeping_session(self.request, form.save())
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url()}


class LoginView(auth_views.LoginView):
    """Sign in."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        user = form.get_user()  # type: ignore[attr-defined]
        _login_keeping_session(self.request, user)
        return HttpResponseRedirect(self.get_success_url())
