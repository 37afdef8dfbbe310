"""Maps errors to responses in one place: problem documents in the API, pages for people.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

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


def problem(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return the members of a problem document; `code` is stable, `detail` is a sentence for people."""
    return {
        "type": "about:blank",
        "title": responses.get(status, "Refused"),
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }


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
        return problem(status, "not_found", _("There is nothing at this address."))
    if isinstance(error, PermissionDenied):
        return problem(status, "permission_denied", _("You may not do this."))
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
    """Answers an app's own error, raised by a page, with that error's status and sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AppError):
            return None
        return error_page(request, error.status, str(error))


def error_page(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """Render an error for a person: a whole page, or for htmx the fragment that the page includes."""
    template = "site/partials/error.html" if wants_fragment(request) else "site/error.html"
    context = {"status": status, "title": _headline(status), "sentence": sentence}
    return render(request, template, context, status=status)


def _headline(status: int) -> str:
    words = {
        HTTPStatus.FORBIDDEN: _("You may not do this"),
        HTTPStatus.NOT_FOUND: _("That is not here"),
        HTTPStatus.CONFLICT: _("That cannot be done as things are"),
        HTTPStatus.SERVICE_UNAVAILABLE: _("That has to wait"),
    }
    return words.get(HTTPStatus(status), _("That did not work"))


def _in_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _problem_json(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, code, detail), status=status, content_type=PROBLEM_JSON)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`."""
    if _in_api(request):
        return _problem_json(400, "bad_request", _("The request could not be understood."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`."""
    if _in_api(request):
        return _problem_json(403, "permission_denied", _("You may not do this."))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`."""
    if _in_api(request):
        return _problem_json(404, "not_found", _("There is nothing at this address."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`."""
    if _in_api(request):
        return _problem_json(500, "server_error", _("The server failed; the error was logged."))
    return defaults.server_error(request)
