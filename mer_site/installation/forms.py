"""Forms of the first steps and of the settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mer_site.models import Installation

DAYS = ((1, gettext_lazy("one day")), (7, gettext_lazy("one week")), (30, gettext_lazy("thirty days")))


class FirstAccountForm(SetPasswordMixin, forms.ModelForm[User]):  # type: ignore[type-arg]
    """The name and the password of the first account; a password that is left empty stays."""

    password1, password2 = SetPasswordMixin.create_password_fields(
        label1=gettext_lazy("New password"), label2=gettext_lazy("New password again")
    )

    class Meta:
        model = User
        fields = ("username",)
        labels = {"username": gettext_lazy("Your name here")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = _("You sign in with it. Letters, digits and @ . + - _")
        self.fields["password1"].help_text = _("In place of the printed one. At least 8 characters, not only digits.")
        self.fields["password2"].help_text = ""
        for name in ("password1", "password2"):
            self.fields[name].required = False

    @property
    def has_password(self) -> bool:
        """Whether a password was given."""
        return bool(self.cleaned_data.get("password1"))

    def clean_username(self) -> str:
        """Refuse the name of another account, also in other capitals."""
        name = str(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("A user with that username already exists."))
        return name

    def clean(self) -> dict[str, Any]:
        """Compare the two passwords."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("password1") and not values.get("password2"):
            self.add_error("password2", self.fields["password2"].error_messages["required"])
        elif values.get("password2") and not values.get("password1"):
            self.add_error("password1", self.fields["password1"].error_messages["required"])
        self.validate_passwords()
        return values

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # After the name is known, which a password must not resemble.
        if self.has_password:
            self.validate_password_for_user(self.instance, "password2")

    def save(self, commit: bool = True) -> User:
        """Store them."""
        if self.has_password:
            self.set_password_and_save(self.instance, "password1", commit=commit)
            return self.instance
        return super().save(commit)


class SignupModeForm(forms.Form):
    """Who may sign up."""

    signup = forms.ChoiceField(
        label=gettext_lazy("Who may make an account?"), choices=Installation.Signup.choices, widget=forms.RadioSelect
    )


class InvitationForm(forms.Form):
    """An invitation: for whom, for how many, how long."""

    note = forms.CharField(label=gettext_lazy("For whom (a note for you)"), max_length=100, required=False)
    n_most = forms.IntegerField(label=gettext_lazy("Accounts"), min_value=1, max_value=100, initial=1)
    days = forms.TypedChoiceField(label=gettext_lazy("Valid for"), choices=DAYS, coerce=int, initial=7)


class AccountChangeForm(forms.Form):
    """One right of an account, to give or to take away: a button that says both."""

    change = forms.ChoiceField(
        choices=[(f"{right} {value}", right) for right in ("curator", "staff", "active") for value in ("yes", "no")]
    )
