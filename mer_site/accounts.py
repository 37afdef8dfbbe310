"""Sign-up, sign-in and the account, which adopts the visitor's session."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.generic import FormView, TemplateView

from catalog.permissions import is_staff, user_of
from mer_site.installation.first_steps import is_setting_up
from mer_site.installation.joining import NotInvitedError, account_create, may_sign_up
from mer_site.signing_in import login_keeping_session, programs_sign_out


class SignupForm(UserCreationForm[User]):
    """A user name and a password, nothing else."""

    class Meta:
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is refused says why; Django lists all of its rules in advance.
        self.fields["username"].help_text = _("Letters, digits and @ . + - _")
        self.fields["password1"].help_text = _(
            "At least 8 characters, not only digits, not a common password and not like your name."
        )
        self.fields["password2"].help_text = ""


@method_decorator(login_not_required, name="dispatch")
class SignupView(auth_views.RedirectURLMixin, FormView[SignupForm]):
    form_class = SignupForm
    template_name = "accounts/signup.html"
    next_page = "/"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        if not may_sign_up(self._invitation):
            return self._refusal()
        return super().dispatch(request, *args, **kwargs)

    @property
    def _invitation(self) -> str:
        return self.request.POST.get("invitation") or self.request.GET.get("invitation", "")

    def _refusal(self) -> HttpResponse:
        context = {"next": self.get_redirect_url(), "is_used_up": bool(self._invitation)}
        return render(self.request, "accounts/signup_closed.html", context, status=403)

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        assert isinstance(form, SignupForm)
        try:
            user = account_create(user=form.save(commit=False), token=self._invitation)
        except NotInvitedError:
            return self._refusal()
        except IntegrityError:
            # Somebody took the name after the form had looked: a second press on the button, perhaps.
            form.add_error("username", form.instance.unique_error_message(User, ("username",)))
            return self.form_invalid(form)
        login_keeping_session(self.request, user)
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url(), "invitation": self._invitation}


class LoginView(auth_views.LoginView):
    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        login_keeping_session(self.request, form.get_user())  # type: ignore[attr-defined]
        return HttpResponseRedirect(self.get_success_url())

    def get_default_redirect_url(self) -> str:
        """Lead the first curator to the first steps, as long as they were not taken."""
        if is_staff(self.request.user) and is_setting_up():
            return reverse("setup:start")
        return str(super().get_default_redirect_url())


class AccountView(LoginRequiredMixin, TemplateView):
    template_name = "accounts/account.html"


class PasswordView(auth_views.PasswordChangeView):
    """Change the password, which signs other browsers out."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("accounts:account")

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        response = super().form_valid(form)  # type: ignore[arg-type]
        programs_sign_out(user_of(self.request))
        sentence = _("Your password was changed. Other browsers must sign in again, and programs need a new token.")
        messages.success(self.request, sentence)
        return response
