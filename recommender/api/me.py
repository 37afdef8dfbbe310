"""The caller's data over HTTP: all of it as a file, and the ways to delete it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.permissions import CanListen, user_of
from recommender.privacy import account_delete, learning_forget
from recommender.views.moodmap import export_response


class PasswordSerializer(serializers.Serializer[Any]):
    """The password again, before something that cannot be undone."""

    password = serializers.CharField(trim_whitespace=False, write_only=True, style={"input_type": "password"})

    def validate_password(self, password: str) -> str:
        """Compare it with the caller's."""
        if not self.context["request"].user.check_password(password):
            raise serializers.ValidationError(_("This is not your password. Nothing was deleted."))
        return password


class MeView(APIView):
    """Base of the views about the caller."""

    permission_classes = (CanListen, IsAuthenticated)

    @property
    def user(self) -> User:
        """The caller."""
        return user_of(self.request)


class ExportView(MeView):
    """All of the caller's data as one JSON document."""

    throttle_scope = "playlists"

    @extend_schema(summary="All your data, as JSON", responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request) -> HttpResponseBase:
        """Every kind of row that belongs to the caller; `fields` says what each field means."""
        return export_response(self.user, "json")


class ExportCsvView(MeView):
    """All of the caller's data as a zip of CSV tables."""

    throttle_scope = "playlists"

    @extend_schema(summary="All your data, as CSV", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> HttpResponseBase:
        """One table per kind of row; `README.txt` says what each column means."""
        return export_response(self.user, "csv")


class ForgetView(MeView):
    """What was learned of the caller."""

    throttle_scope = "ratings"

    @extend_schema(summary="Delete your ratings and what was learned", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Delete ratings, moods and listens; playlists stay as lists of songs. Twice is the same as once."""
        learning_forget(user=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeleteView(MeView):
    """The caller's account."""

    # A stolen token must not allow guessing the password.
    throttle_scope = "auth"

    @extend_schema(summary="Delete your account and all its data", request=PasswordSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Delete the account and all that belongs to it; songs stay. The token opens nothing from then on."""
        PasswordSerializer(data=request.data, context={"request": request}).is_valid(raise_exception=True)
        account_delete(user=self.user)
        logout(request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)
