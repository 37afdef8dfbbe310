"""Maps errors to responses: problem documents in the API, pages elsewhere.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from collections.abc import Callable
from http import HTTPStatus
from http.client import responses
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from catalog.core.htmx import wants_fragment
from catalog.exceptions import CatalogError
from emotion.exceptions import EmotionError
from recommender.exceptions import RecommenderError
from training.exceptions import TrainingError

PROBLEM_JSON = "application/problem+json"
AppError = CatalogError | EmotionError | RecommenderError | TrainingError
_INVALID = gettext_noop("One or more fields are not valid; see errors.")
_NOTHING = gettext_noop("There is nothing at this address.")
_FORBIDDEN = gettext_noop("You do not have permission to do this.")


def problem(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return the members of a problem document; `code` is stable, `detail` is a sentence for people."""
    title = responses.get(status, "Refused")
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **extra}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an error in the API (Django REST framework's EXCEPTION_HANDLER)."""
    if isinstance(error, AppError):
        return Response(problem(error.status, error.code, str(error)), error.status, content_type=PROBLEM_JSON)
    # Let the framework find status and headers (WWW-Authenticate, Retry-After) and undo the transaction.
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = _problem_of(error, response.status_code)
    response.content_type = PROBLEM_JSON
    return response


def _problem_of(error: Exception, status: int) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        return problem(status, "invalid", _(_INVALID), errors=fields)
    if isinstance(error, Http404):
        return problem(status, "not_found", _(_NOTHING))
    if isinstance(error, PermissionDenied):
        return problem(status, "permission_denied", _(_FORBIDDEN))
    assert isinstance(error, exceptions.APIException)
    code = error.get_codes()
    return problem(status, code if isinstance(code, str) else error.default_code, _sentence(error.detail))


def _sentence(detail: Any) -> str:
    if isinstance(detail, dict):
        detail = next(iter(detail.values()), "")
    if isinstance(detail, list):
        detail = " ".join(str(each) for each in detail)
    return str(detail)


class AppErrorMiddleware:
    """Answers an app's error in a page with its status and sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AppError):
            return None
        return error_page(request, error.status, str(error))


def error_page(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """Render an error as a page, or for htmx as the fragment that the page includes."""
    template = "site/partials/error.html" if wants_fragment(request) else "site/error.html"
    titles = {
        HTTPStatus.FORBIDDEN: _("You do not have permission"),
        HTTPStatus.NOT_FOUND: _("Not found"),
        HTTPStatus.CONFLICT: _("That is not possible now"),
        HTTPStatus.SERVICE_UNAVAILABLE: _("Please wait"),
    }
    title = titles.get(HTTPStatus(status), _("Something went wrong"))
    return render(request, template, {"status": status, "title": title, "sentence": sentence}, status=status)


def _handler(status: int, code: str, sentence: str, page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def handle(request: HttpRequest, *args: Exception, **kwargs: Exception) -> HttpResponse:
        if request.path.startswith("/api/"):
            body = problem(status, code, _(sentence))
            return JsonResponse(body, status=status, content_type=PROBLEM_JSON)
        return page(request, *args, **kwargs)

    return handle


bad_request = _handler(400, "bad_request", gettext_noop("The request could not be understood."), defaults.bad_request)
permission_denied = _handler(403, "permission_denied", _FORBIDDEN, defaults.permission_denied)
page_not_found = _handler(404, "not_found", _NOTHING, defaults.page_not_found)
server_error = _handler(
    500, "server_error", gettext_noop("The server failed; the error was logged."), defaults.server_error
)
