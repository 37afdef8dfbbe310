"""The pages of the first steps. Each can be skipped and gone back to; all of it can be changed later."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from catalog.permissions import is_staff, user_of
from catalog.uploads.choosing import chosen_paths
from catalog.uploads.folder_views import FolderForm
from catalog.uploads.walking import path_shown
from mer_site.installation import joining
from mer_site.installation.demo import demo_remove, demo_songs
from mer_site.installation.first_steps import is_setting_up, setup_end, token_owner
from mer_site.installation.forms import FirstAccountForm, SignupModeForm
from mer_site.signing_in import login_keeping_session, programs_sign_out

View = Callable[[HttpRequest], HttpResponseBase]


class Step(NamedTuple):
    """A step: the name of its address, and its title."""

    name: str
    title: str


STEPS = (
    Step("you", gettext_lazy("Who are you?")),  # type: ignore[arg-type]
    Step("music", gettext_lazy("Where is your music?")),  # type: ignore[arg-type]
    Step("demo", gettext_lazy("Demo songs")),  # type: ignore[arg-type]
    Step("people", gettext_lazy("Who may join?")),  # type: ignore[arg-type]
)


def _step(view: View) -> View:
    """Admit the staff, while the first steps are offered."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @never_cache
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponseBase:
        if not is_staff(request.user):
            return redirect("setup:start")
        return view(request) if is_setting_up() else redirect("settings:page")

    return wrapped


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponseBase:
    number = next(number for number, step in enumerate(STEPS) if step.name == name)
    around = {
        "steps": [(step, at < number) for at, step in enumerate(STEPS)],
        "step": STEPS[number],
        "number": number + 1,
        "back_url": reverse(f"setup:{STEPS[number - 1].name}") if number else "",
        "next_url": _after(name) if number + 1 < len(STEPS) else "",
    }
    return render(request, f"site/setup/{name}.html", around | context)


def _after(name: str) -> str:
    names = [step.name for step in STEPS]
    return reverse(f"setup:{names[names.index(name) + 1]}")


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("token")
def start(request: HttpRequest) -> HttpResponseBase:
    """Sign the owner of a printed link in; others are asked for it, or for the printed password."""
    if not is_setting_up():
        return redirect("settings:page" if is_staff(request.user) else "/")
    if is_staff(request.user):
        return redirect("setup:you")
    if request.method == "POST":
        with transaction.atomic():
            user = token_owner(request.POST.get("token", ""))
            if user is not None:
                login_keeping_session(request, user)
                return redirect("setup:you")
    return render(request, "site/setup/start.html", {"is_refused": request.method == "POST"})


@_step
@sensitive_post_parameters()
def you(request: HttpRequest) -> HttpResponseBase:
    """Name and password, in place of the printed ones."""
    # Not the account of the request, whose name the page around shows: a name may be refused.
    account = User.objects.get(pk=user_of(request).pk)
    form = FirstAccountForm(request.POST if request.method == "POST" else None, instance=account)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        if form.has_password:
            update_session_auth_hash(request, user)
            programs_sign_out(user)
        return redirect(_after("you"))
    return _page(request, "you", form=form)


@_step
def music(request: HttpRequest) -> HttpResponseBase:
    """Folders of the server."""
    form = FolderForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.follow():
        messages.success(request, _("The songs of this folder come in by themselves from now on."))
        return redirect("setup:music")
    folders = [path_shown(path) for path in [*settings.MUSIC_FOLDERS, *chosen_paths()]]
    return _page(request, "music", folder_form=form, folders=folders)


@_step
def demo(request: HttpRequest) -> HttpResponseBase:
    """Keep the demo songs, or remove them."""
    if request.method == "POST":
        if request.POST.get("demo") == "remove":
            demo_remove()
            messages.success(request, _("The demo songs are gone."))
        return redirect(_after("demo"))
    return _page(request, "demo", n_songs=demo_songs().count())


@_step
def people(request: HttpRequest) -> HttpResponseBase:
    """Who may make an account."""
    form = SignupModeForm(request.POST if request.method == "POST" else {"signup": joining.signup_mode()})
    if request.method == "POST" and form.is_valid():
        joining.signup_choose(joining.Signup(form.cleaned_data["signup"]))
        return end(request)
    is_fixed = settings.MOODPLANE_SIGNUP is not None
    return _page(request, "people", signup_form=form, mode=joining.signup_mode(), is_fixed=is_fixed)


@require_POST
@never_cache
def end(request: HttpRequest) -> HttpResponseBase:
    """Finish or skip the first steps; they are not shown again."""
    if is_staff(request.user) and is_setting_up():
        setup_end()
        messages.success(request, _("Moodplane is yours. All of this can be changed under Settings."))
    return redirect("/")
