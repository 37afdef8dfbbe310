"""Sign-up, sign-in and the account, which adopts the visitor's session."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.generic import FormView, TemplateView

from recommender.services.feedback import pending_answers_record, session_adopt


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


def _login_keeping_session(request: HttpRequest, user: User) -> None:
    # Signing in changes the key of the session.
    session_key = request.session.session_key
    login(request, user)
    if session_key:
        session_adopt(user=user, session_key=session_key)
    # Signing in keeps a visitor's session, and empties that of another account.
    titles = pending_answers_record(user=user, session=request.session)
    if len(titles) == 1:
        messages.success(request, _("Your rating of “%(title)s” was saved.") % {"title": titles[0]})
    elif titles:
        sentence = ngettext("Your %(count)d rating was saved.", "Your %(count)d ratings were saved.", len(titles))
        messages.success(request, sentence % {"count": len(titles)})


@method_decorator(login_not_required, name="dispatch")
class SignupView(auth_views.RedirectURLMixin, FormView[SignupForm]):
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
    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        _login_keeping_session(self.request, form.get_user())  # type: ignore[attr-defined]
        return HttpResponseRedirect(self.get_success_url())


class AccountView(LoginRequiredMixin, TemplateView):
    template_name = "accounts/account.html"


class PasswordView(auth_views.PasswordChangeView):
    """Change the password, which signs other browsers out."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("accounts:account")

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        response = super().form_valid(form)  # type: ignore[arg-type]
        messages.success(self.request, _("Your password was changed. Other browsers must sign in again."))
        return response
