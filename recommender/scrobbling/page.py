"""The page on which a listener connects services that are told what they play."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from catalog.core import claims
from catalog.exceptions import AddressRefusedError, ServiceAwayError
from catalog.permissions import user_of
from recommender.exceptions import ServiceRefusedError
from recommender.models import Scrobble, ScrobbleAccount
from recommender.scrobbling import services
from recommender.scrobbling.protocols import LAST_FM_URL, LISTENBRAINZ_URL

_SECRET = {"autocomplete": "off", "spellcheck": "false"}


class ListenBrainzForm(forms.Form):
    """A token, and a server where it is not ListenBrainz itself."""

    prefix = "listenbrainz"
    token = forms.CharField(label=gettext_lazy("User token"), max_length=200, widget=forms.TextInput(_SECRET))
    url = forms.CharField(label=gettext_lazy("Address"), max_length=300, initial=LISTENBRAINZ_URL)

    def connect(self, request: HttpRequest) -> ScrobbleAccount:
        """Connect the account; raises as the service does."""
        return services.listenbrainz_connect(user=user_of(request), **self.cleaned_data)


class AudioScrobblerForm(forms.Form):
    """What the interface of Last.fm wants to know; the password is used once."""

    prefix = "audioscrobbler"
    url = forms.CharField(label=gettext_lazy("Address"), max_length=300, initial=LAST_FM_URL)
    api_key = forms.CharField(label=gettext_lazy("API key"), max_length=200, widget=forms.TextInput(_SECRET))
    api_secret = forms.CharField(label=gettext_lazy("Shared secret"), max_length=200, widget=forms.TextInput(_SECRET))
    user_name = forms.CharField(label=gettext_lazy("User name there"), max_length=200, widget=forms.TextInput(_SECRET))
    password = forms.CharField(
        label=gettext_lazy("Password there"),
        max_length=300,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("It is sent to the service once, and is not stored."),
    )

    def connect(self, request: HttpRequest) -> ScrobbleAccount:
        """Connect the account; raises as the service does."""
        return services.audioscrobbler_connect(user=user_of(request), **self.cleaned_data)


_FORMS: dict[str, type[ListenBrainzForm | AudioScrobblerForm]] = {
    "listenbrainz": ListenBrainzForm,
    "audioscrobbler": AudioScrobblerForm,
}


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def elsewhere(request: HttpRequest) -> HttpResponseBase:
    """Show the connected services, and connect another."""
    asked = request.POST.get("service", "") if request.method == "POST" else ""
    bound = {name: form(request.POST if name == asked else None, label_suffix="") for name, form in _FORMS.items()}
    if asked in bound and bound[asked].is_valid():
        try:
            account = bound[asked].connect(request)
        except (AddressRefusedError, ServiceAwayError, ServiceRefusedError) as error:
            bound[asked].add_error(None, str(error))
        else:
            messages.success(request, _("Connected as %(name)s.") % {"name": account.user_name})
            return redirect("recommender:elsewhere")
    waiting = Count("scrobbles", filter=Q(scrobbles__state__in=(Scrobble.WAITING, Scrobble.CLAIMED)))
    accounts = ScrobbleAccount.objects.filter(listener=user_of(request)).annotate(n_waiting=waiting)
    context: dict[str, Any] = {"accounts": accounts, "forms": bound}
    return render(request, "recommender/elsewhere.html", context, status=422 if asked else 200)


@require_POST
@login_required
def elsewhere_change(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Disconnect a service, take the loved songs from there, or send again what it refused."""
    account = get_object_or_404(ScrobbleAccount, pk=pk, listener=user_of(request))
    match request.POST.get("action"):
        case "remove":
            account.delete()
            messages.success(request, _("Disconnected. Nothing more is sent there."))
        case "loved":
            current_app.send_task("recommender.tasks.loved_import", args=[account.pk])
            messages.success(request, _("The songs you love there become likes, as far as they are here."))
        case "retry":
            ScrobbleAccount.objects.filter(pk=account.pk).update(problem="", n_failures=0, retry_at=None)
            claims.reset(Scrobble.objects.filter(account=account).exclude(state=Scrobble.DONE))
            services.SCROBBLES.wake_on_commit()
            messages.success(request, _("What waits is sent again."))
    return redirect("recommender:elsewhere")
