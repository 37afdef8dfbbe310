"""The listener's mood map, the export of their data, and the ways to delete it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.permissions import user_of
from recommender import selectors
from recommender.exceptions import UndoTooLateError
from recommender.moodmap import RatedSong, drift_chart, mood_map
from recommender.privacy import account_delete, counts_of, data_export, learning_forget
from recommender.requests import Listener
from recommender.services import feedback
from recommender.views.common import song_or_404, to, undo_offer, undo_offered, undo_values
from recommender.views.feedback import rating_key, rating_undo

RATINGS_PER_PAGE = 20
MOODS_SHOWN = 20


class PasswordForm(forms.Form):
    """The password again, before something that cannot be undone."""

    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        label=gettext_lazy("Your password"),
    )

    def __init__(self, user: User, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._user = user

    def clean_password(self) -> str:
        """Compare it with the account's."""
        password = str(self.cleaned_data["password"])
        if not self._user.check_password(password):
            raise forms.ValidationError(_("This is not your password. Nothing was deleted."))
        return password


@require_safe
@never_cache
def me(request: HttpRequest) -> HttpResponse:
    """The mood map; a visitor without an account reads what it is and how to get one."""
    if not request.user.is_authenticated:
        return render(request, "recommender/moodmap.html", {"signed_out": True})
    user = user_of(request)
    shown = mood_map(user)
    page: Page[RatedSong] = Paginator(shown.ratings, RATINGS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "map": shown,
        "page": page,
        "chart": drift_chart(shown.drift),
        "moods": selectors.check_ins_of(Listener(user))[:MOODS_SHOWN],
        "moods_shown": MOODS_SHOWN,
        "undo": undo_offered(request),
    }
    return render(request, "recommender/moodmap.html", context)


@require_POST
@login_required
def me_rating_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw one rating, with an offer to undo that."""
    user = user_of(request)
    rating = selectors.rating_visible(user, pk)
    before = selectors.rating_values(rating)
    feedback.feedback_withdraw(user=user, song=rating.song)
    sentence = _("Your rating of “%(title)s” was withdrawn.") % {"title": rating.song.title}
    undo_offer(request, rating_undo(request, rating.song, sentence, before, url_name="me_rating_restore"))
    return to("me", rest="#ratings")


@require_POST
@login_required
def me_rating_restore(request: HttpRequest, song_pk: int) -> HttpResponse:
    """Restore a rating that was withdrawn in the list."""
    song = song_or_404(song_pk)
    try:
        feedback.feedback_restore(user=user_of(request), song=song, **undo_values(request, rating_key(song)))
    except UndoTooLateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Your rating of “%(title)s” is back.") % {"title": song.title})
    return to("me", rest="#ratings")


@require_POST
@login_required
def me_mood_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a past check-in; ratings given meanwhile keep their mood."""
    listener = Listener(user=user_of(request))
    feedback.check_in_withdraw(listener=listener, check_in=selectors.check_in_visible(listener, pk))
    messages.success(request, _("The mood was withdrawn."))
    return to("me", rest="#moods")


@require_safe
@never_cache
@login_required
def me_export(request: HttpRequest, suffix: str) -> HttpResponseBase:
    """Everything that belongs to the listener, as a file, streamed as it is read."""
    return export_response(user_of(request), suffix)


def export_response(user: User, suffix: str) -> HttpResponseBase:
    """Answer with all of a user's data."""
    try:
        file = data_export(user, suffix)
    except KeyError:
        raise Http404(suffix) from None
    response = StreamingHttpResponse(file.chunks, content_type=file.content_type)
    response["Content-Disposition"] = content_disposition_header(True, file.name) or "attachment"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def me_forget(request: HttpRequest) -> HttpResponse:
    """List what would be deleted; POST deletes it."""
    user = user_of(request)
    if request.method != "POST":
        return render(request, "recommender/moodmap_forget.html", {"counts": counts_of(user)})
    learning_forget(user=user)
    messages.success(request, _("Your ratings, moods and listens were deleted, and everything learned from them."))
    return to("me")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def me_delete(request: HttpRequest) -> HttpResponse:
    """List what goes and what stays; POST with the password deletes the account."""
    user = user_of(request)
    form = PasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "recommender/moodmap_delete.html", {"form": form, "counts": counts_of(user)})
    account_delete(user=user)
    logout(request)
    messages.success(request, _("Your account and everything that belonged to it were deleted."))
    return to("home")
