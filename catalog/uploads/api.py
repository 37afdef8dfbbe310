"""The API of uploads: offer files, read their states, retry failed songs."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle

from catalog import selectors
from catalog.exceptions import FileMissingError
from catalog.models import PartialUpload, Song, Upload
from catalog.permissions import CanUpload, can_manage_upload
from catalog.uploads import services as upload_services
from catalog.uploads.handlers import uploads_capped


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """One upload; ask `status_url` again until `state` is tagged, failed or duplicate."""

    state = serializers.ChoiceField(choices=[*Song.State.values, "duplicate"], read_only=True)
    code = serializers.SerializerMethodField(help_text="A stable code when it failed or was a duplicate.")
    reason = serializers.CharField(read_only=True, help_text="A sentence when it failed or was a duplicate.")
    song = serializers.PrimaryKeyRelatedField[Song](read_only=True, help_text="The song it became, or already was.")
    song_url = serializers.SerializerMethodField(help_text="The song's page.")
    status_url = serializers.SerializerMethodField(help_text="Where this upload can be asked after.")

    class Meta:
        model = Upload
        fields = ["id", "file_name", "size_bytes", "state", "code", "reason", "song", "song_url", "status_url"]
        fields += ["created_at"]
        read_only_fields = fields

    def get_code(self, upload: Upload) -> str:
        """The song's failure code once there is a song, else the door's."""
        if upload.outcome == Upload.Outcome.ACCEPTED:
            return upload.song.failure_code if upload.song else "song_deleted"
        return upload.failure_code

    def get_song_url(self, upload: Upload) -> str | None:
        """Address of the song's page."""
        return upload.song.get_absolute_url() if upload.song else None

    def get_status_url(self, upload: Upload) -> str:
        """Address of this upload in the API."""
        return reverse("api-upload-detail", args=[upload.pk])


class UploadRequestSerializer(serializers.Serializer[None]):
    """The body of an upload, for the documentation: the part `file` may be repeated."""

    file = serializers.ListField(child=serializers.FileField(), min_length=1)


class UploadBatchSerializer(serializers.Serializer[None]):
    """The answer to a request with several files."""

    count = serializers.IntegerField()
    results = UploadSerializer(many=True)


class UploadsRetriedSerializer(serializers.Serializer[None]):
    """How many failed songs are analysed once more."""

    count = serializers.IntegerField()


class PartialUploadSerializer(serializers.ModelSerializer[PartialUpload]):
    """A large upload that is not finished; its pieces go to `url`."""

    url = serializers.SerializerMethodField(help_text="Where to go on, with the tus protocol.")

    class Meta:
        model = PartialUpload
        fields = ["url", "file_name", "fingerprint", "size_bytes", "offset_bytes", "expires_at"]
        read_only_fields = fields

    def get_url(self, partial_upload: PartialUpload) -> str:
        """Address of this upload in the API."""
        return reverse("api-upload-session", args=[partial_upload.public_id])


class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Upload]):
    """Uploads of the caller; the staff see all."""

    serializer_class = UploadSerializer
    permission_classes = (IsAuthenticated, CanUpload)
    throttle_scope = "uploads"
    queryset = Upload.objects.none()
    filter_backends = ()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Cap the body before authentication reads the CSRF token out of it."""
        if request.method == "POST":
            uploads_capped(request)
        return super().initialize_request(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Upload]:
        """Return what the caller may see."""
        return selectors.uploads_visible(self.request.user)

    def get_throttles(self) -> list[BaseThrottle]:
        """Count only offered files against the scope: asking after them is cheap."""
        throttles = super().get_throttles()
        if self.action == "create":
            return throttles
        return [each for each in throttles if not isinstance(each, ScopedRateThrottle)]

    @extend_schema(
        request={"multipart/form-data": UploadRequestSerializer},
        responses={
            202: PolymorphicProxySerializer(
                "UploadAnswer", [UploadSerializer, UploadBatchSerializer], resource_type_field_name=None
            )
        },
    )
    def create(self, request: Request) -> Response:
        """Offer one or several audio files.

        Every file gets a row, even a refused one; `Location` leads to the only row or to the list.
        """
        files = request.FILES.getlist("file")
        if not files:
            raise FileMissingError(_('The request has no file. Send audio as multipart/form-data in the part "file".'))
        owner = cast(User, request.user)
        uploads = [upload_services.upload_create(owner=owner, file=file, file_name=file.name or "") for file in files]
        rows = UploadSerializer(uploads, many=True).data
        if len(rows) == 1:
            headers = {"Location": request.build_absolute_uri(rows[0]["status_url"])}
            return Response(rows[0], status.HTTP_202_ACCEPTED, headers=headers)
        headers = {"Location": request.build_absolute_uri(request.path)}
        return Response({"count": len(rows), "results": rows}, status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(request=None, responses={202: UploadSerializer, 409: OpenApiResponse(description="Not failed.")})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Analyse a failed song once more."""
        upload = self.get_object()
        if not can_manage_upload(request.user, upload):
            raise PermissionDenied(_("Only the owner or the staff can retry an upload."))
        upload_services.upload_retry(upload=upload)
        return Response(UploadSerializer(upload).data, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: UploadsRetriedSerializer})
    @action(detail=False, methods=["post"], url_path="retry", pagination_class=None)
    def retry_all(self, request: Request) -> Response:
        """Analyse all failed songs among the caller's uploads once more."""
        return Response({"count": upload_services.uploads_retry(uploads=self.get_queryset())}, status.HTTP_202_ACCEPTED)

    def get_parsers(self) -> list[Any]:
        """Take multipart bodies only when a file is offered."""
        return [MultiPartParser()] if getattr(self, "action", None) == "create" else super().get_parsers()
