"""The one view of all endpoints: who asks, what answers, and what went wrong."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from catalog.exceptions import CatalogError, TranscodersBusyError
from catalog.files.views import RETRY_AFTER_S
from emotion.exceptions import EmotionError
from recommender.exceptions import RecommenderError
from recommender.subsonic.answers import FORMATS, Code, SubsonicError, answer, failure
from recommender.subsonic.authentication import authenticate
from recommender.subsonic.calls import Call, Parameters
from recommender.subsonic.endpoints import HANDLERS, MISSING, OPEN

_METHODS = ("GET", "HEAD", "POST")


@csrf_exempt
@login_not_required
def call(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer a request of a player. Cookies count for nothing, so that other sites can do nothing by them."""
    if request.method == "OPTIONS":
        response: HttpResponseBase = HttpResponse(status=HTTPStatus.NO_CONTENT)
    elif request.method not in _METHODS:
        response = HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(_METHODS)})
    else:
        response = _answered(request, name.removesuffix(".view"))
    # Players in browsers come from other addresses; there is nothing here that a cookie would open.
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Headers"] = "*"
    if "Cache-Control" not in response:
        response["Cache-Control"] = "private, no-store"
    return response


def _answered(request: HttpRequest, name: str) -> HttpResponseBase:
    form, callback = "xml", ""
    try:
        parameters = Parameters(request)
        form = parameters.text("f", "xml").lower()
        form, callback = form if form in FORMATS else "xml", parameters.text("callback")
        if name in OPEN:
            return answer(OPEN[name](), form=form, callback=callback)
        known = authenticate(request, parameters)
        if name in MISSING:
            raise SubsonicError(Code.GENERIC, _("This server does not do that."), status=MISSING[name])
        if name not in HANDLERS:
            sentence = _("There is no endpoint “%(name)s”.") % {"name": name[:80]}
            raise SubsonicError(Code.NOT_FOUND, sentence, status=HTTPStatus.NOT_FOUND)
        found = HANDLERS[name](Call(request, parameters, known.user, known.key))
        return found if isinstance(found, HttpResponseBase) else answer(found, form=form, callback=callback)
    except SubsonicError as error:
        return failure(error, form=form, callback=callback)
    except (CatalogError, EmotionError, RecommenderError) as error:
        return failure(_translated(error), form=form, callback=callback)


def _translated(error: CatalogError | EmotionError | RecommenderError) -> SubsonicError:
    if isinstance(error, TranscodersBusyError):
        return SubsonicError(Code.GENERIC, str(error), status=error.status, retry_s=RETRY_AFTER_S)
    code = Code.NOT_FOUND if error.status == HTTPStatus.NOT_FOUND else Code.GENERIC
    return SubsonicError(code, str(error))
