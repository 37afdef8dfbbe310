"""Forms of the settings."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from mer_site.models import Installation

DAYS = ((1, gettext_lazy("one day")), (7, gettext_lazy("one week")), (30, gettext_lazy("thirty days")))


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
