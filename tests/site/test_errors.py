"""From an error to a response: problem documents in the API, pages for people."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from rest_framework import exceptions
from rest_framework.test import APIClient

from catalog.exceptions import CatalogError
from emotion.exceptions import EmotionError
from mer_site import errors
from recommender.exceptions import RecommenderError


@pytest.mark.parametrize("root", [CatalogError, EmotionError, RecommenderError])
def test_an_apps_own_error_becomes_a_problem(root: type[Exception]) -> None:
    class RefusedError(root):  # type: ignore[misc, valid-type]
        code = "refused"
        status = 409

    response = errors.problem_response(RefusedError("The song is busy; try again."), {})
    assert response is not None
    assert response.content_type == "application/problem+json"
    assert response.data == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "refused",
        "detail": "The song is busy; try again.",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (exceptions.ParseError("Not JSON."), 400, "parse_error"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
    ],
)
def test_the_frameworks_errors_become_problems(error: Exception, status: int, code: str) -> None:
    response = errors.problem_response(error, {})
    assert response is not None
    assert (response.status_code, response.data["status"], response.data["code"]) == (status, status, code)
    assert response.data["detail"]


@pytest.mark.parametrize("detail", [{"length": ["Too long."]}, ["Too long."], "Too long."])
def test_invalid_fields_are_listed(detail: Any) -> None:
    response = errors.problem_response(exceptions.ValidationError(detail), {})
    assert response is not None
    assert response.data["code"] == "invalid"
    assert list(response.data["errors"].values()) == [["Too long."]]


def test_an_unforeseen_error_is_left_to_django() -> None:
    assert errors.problem_response(RuntimeError("a bug"), {}) is None
    response = errors.server_error(RequestFactory().get("/api/v1/songs/"))
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")


@pytest.mark.django_db
def test_an_unknown_address_is_a_problem_in_the_api_and_a_page_elsewhere(client: Client) -> None:
    in_api = client.get("/api/v1/nothing/")
    assert (in_api.status_code, in_api["Content-Type"]) == (404, "application/problem+json")
    page = client.get("/nothing/")
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")


@pytest.mark.django_db
def test_a_page_shows_an_apps_error_as_its_sentence(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class RefusedError(CatalogError):
        status = 409

    def refuse(*_: Any, **__: Any) -> HttpResponse:
        raise RefusedError("The song is <busy>; try again.")

    monkeypatch.setattr("django.contrib.auth.views.LoginView.get", refuse)
    page = client.get("/accounts/login/")
    assert page.status_code == 409
    assert b"The song is &lt;busy&gt;; try again." in page.content
    assert b"<html" in page.content
    fragment = client.get("/accounts/login/", headers={"HX-Request": "true"})
    assert fragment.status_code == 409
    assert b"<html" not in fragment.content


@pytest.mark.django_db
def test_pages_carry_a_strict_policy(client: Client) -> None:
    policy = client.get("/accounts/login/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_the_schema_and_its_page(client: Client, api_anonymous: APIClient) -> None:
    assert api_anonymous.get("/api/v1/schema/").status_code == 200
    page = client.get("/api/v1/docs/").content.decode()
    assert "<style" not in page
    assert page.count("<script src=") == page.count("<script") == 3
    assert "http://" not in page
    assert "https://" not in page
    assert b"SwaggerUIBundle" in client.get("/api/v1/docs/?script=").content


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["moods", "ratings", "playlists", "listens", "auth/token"])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_nested_without_end_is_refused_in_a_sentence(api_anonymous: APIClient, address: str, opening: str) -> None:
    response = api_anonymous.post(f"/api/v1/{address}/", opening * 20_000, content_type="application/json")
    if response.status_code not in (401, 403):
        assert (response.status_code, response.json()["code"]) == (400, "parse_error")
        assert response.json()["detail"] == "The JSON is nested too deeply."


@pytest.mark.parametrize("address", ["moods", "ratings", "playlists", "listens"])
def test_json_nested_without_end_is_refused_to_a_listener(api_alice: APIClient, address: str) -> None:
    response = api_alice.post(f"/api/v1/{address}/", "[" * 20_000, content_type="application/json")
    assert (response.status_code, response.json()["detail"]) == (400, "The JSON is nested too deeply.")
