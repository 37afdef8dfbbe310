"""Guards pages of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

View = Callable[..., HttpResponseBase]


def allowed(check: Callable[..., bool], *, words: str = "") -> Callable[[View], View]:
    """Admit users for whom the check is true; the others sign in, or read the template `words` if they have."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **kwargs: int | str) -> HttpResponseBase:
            if check(request.user):
                return view(request, **kwargs)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if words:
                return render(request, words, status=403)
            raise PermissionDenied

        return wrapped

    return decorate
