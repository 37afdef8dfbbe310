"""The staff's settings: who may join, invitations, accounts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from catalog.permissions import allowed, is_staff, user_of
from mer_site.installation import accounts as account_services
from mer_site.installation import joining
from mer_site.installation.demo import demo_remove, demo_songs
from mer_site.installation.first_steps import is_setting_up
from mer_site.installation.forms import AccountChangeForm, InvitationForm, SignupModeForm
from mer_site.models import Invitation

ACCOUNTS_PER_PAGE = 50
_INVITATIONS_SHOWN = 50


@require_safe
@never_cache
@allowed(is_staff)
def settings_page(request: HttpRequest) -> HttpResponseBase:
    """Show what the staff decide."""
    return _page(request, InvitationForm())


def _page(request: HttpRequest, form: InvitationForm) -> HttpResponseBase:
    mode = joining.signup_mode()
    invitations = [
        {"invitation": each, "url": _link(request, each) if each.is_usable else ""}
        for each in Invitation.objects.all()[:_INVITATIONS_SHOWN]
    ]
    context: dict[str, Any] = {
        "signup_form": SignupModeForm(initial={"signup": mode}),
        "mode": mode,
        "is_fixed": settings.MOODPLANE_SIGNUP is not None,
        "form": form,
        "invitations": invitations,
        "n_demo": demo_songs().count(),
        "is_setting_up": is_setting_up(),
    }
    return render(request, "site/settings/page.html", context)


def _link(request: HttpRequest, invitation: Invitation) -> str:
    query = urlencode({"invitation": joining.invitation_token(invitation)})
    return request.build_absolute_uri(f"{reverse('accounts:signup')}?{query}")


@require_POST
@allowed(is_staff)
def signup_choose(request: HttpRequest) -> HttpResponseBase:
    """Decide who may sign up."""
    form = SignupModeForm(request.POST)
    if form.is_valid():
        joining.signup_choose(joining.Signup(form.cleaned_data["signup"]))
        messages.success(request, _("Saved."))
    return redirect("settings:page")


@require_POST
@allowed(is_staff)
def invitation_create(request: HttpRequest) -> HttpResponseBase:
    """Make an invitation."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    joining.invitation_create(**form.cleaned_data)
    messages.success(request, _("The invitation is ready: copy its link."))
    return redirect(f"{reverse('settings:page')}#invitations")


@require_POST
@allowed(is_staff)
def invitation_revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take an invitation back."""
    joining.invitation_revoke(invitation=get_object_or_404(Invitation, pk=pk))
    messages.success(request, _("The invitation was taken back. Accounts made with it stay."))
    return redirect(f"{reverse('settings:page')}#invitations")


@require_POST
@allowed(is_staff)
def demo_songs_remove(request: HttpRequest) -> HttpResponseBase:
    """Remove the demo songs for good."""
    demo_remove()
    messages.success(request, _("The demo songs are gone."))
    return redirect("settings:page")


@require_safe
@never_cache
@allowed(is_staff)
def accounts(request: HttpRequest) -> HttpResponseBase:
    """List all accounts."""
    query = request.GET.get("q", "").replace("\x00", "").strip()
    page = Paginator(account_services.accounts(query), ACCOUNTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [(each, account_services.changes(user_of(request), each)) for each in page],
        "query": query,
        "query_string": urlencode({"q": query}) if query else "",
    }
    return render(request, "site/settings/accounts.html", context)


@require_POST
@allowed(is_staff)
def account_change(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Give an account a right, or take it away."""
    user, form = get_object_or_404(User, pk=pk), AccountChangeForm(request.POST)
    if form.is_valid():
        right, value = form.cleaned_data["change"].split()
        by = user_of(request)
        refusal = account_services.account_change(by=by, user=user, right=right, value=value == "yes")
        if refusal:
            messages.error(request, refusal)
        else:
            messages.success(request, _("The account “%(name)s” was changed.") % {"name": user.username})
    query = request.POST.get("back", "")
    return redirect(f"{reverse('settings:accounts')}{'?' if query else ''}{query}")
