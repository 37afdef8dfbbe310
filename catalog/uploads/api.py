"""The API of uploads: offer files, read their states, retry failed songs; large files arrive in pieces, by tus.

Source: tus resumable upload protocol 1.0.0, core with the extensions creation, checksum, expiration and termination.
"""

import base64
import functools
import hashlib
import hmac
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, UnreadablePostError
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import selectors
from catalog.exceptions import (
    FileMissingError,
    PartialUploadNotFoundError,
    PieceDamagedError,
    UploadRequestInvalidError,
)
from catalog.files.storage import file_staged
from catalog.models import PartialUpload, Song, Upload
from catalog.permissions import CanUpload, can_manage_upload
from catalog.songs.lyrics import lyrics_file_take
from catalog.uploads import partial
from catalog.uploads import services as upload_services
from catalog.uploads.page import partials_unfinished
from catalog.uploads.partial import PIECE_BYTES, offset_check, partial_check_open

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
# SHA-1 is what the protocol asks of every server; it guards against accidents, not against people.
CHECKSUMS = {"sha1": "sha1", "sha256": "sha256"}
PIECE_TYPE = "application/offset+octet-stream"
_METADATA_CHARS = 4_000
_READ_BYTES = 64 * 1024
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)

_header = functools.partial(OpenApiParameter, location=OpenApiParameter.HEADER)
_TUS = _header("Tus-Resumable", required=True, enum=[VERSION])
_LENGTH = _header("Upload-Length", int, required=True, description="Total bytes.")
_OFFSET = _header("Upload-Offset", int, required=True, description="First byte sent.")
_METADATA = _header(
    "Upload-Metadata", description="`filename` and optionally `fingerprint`, each with its value in base64."
)
_CHECKSUM = _header("Upload-Checksum", description="`sha1` or `sha256`, a space, the digest in base64.")


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """One upload; ask `status_url` again until `state` is tagged, failed or duplicate."""

    state = serializers.ChoiceField(choices=[*Song.State.values, "duplicate"], read_only=True)
    code = serializers.SerializerMethodField(help_text="A stable code when it failed or was a duplicate.")
    reason = serializers.CharField(read_only=True, help_text="A sentence when it failed or was a duplicate.")
    song = serializers.PrimaryKeyRelatedField[Song](read_only=True, help_text="The song it became, or already was.")
    song_url = serializers.SerializerMethodField(help_text="The song's page.")
    status_url = serializers.SerializerMethodField(help_text="Where to read this upload's state.")

    class Meta:
        model = Upload
        fields = ["id", "file_name", "size_bytes", "state", "code", "reason", "song", "song_url", "status_url"]
        fields += ["created_at"]
        read_only_fields = fields

    def get_code(self, upload: Upload) -> str:
        if upload.outcome == Upload.Outcome.ACCEPTED:
            return upload.song.failure_code if upload.song else "song_deleted"
        return upload.failure_code

    def get_song_url(self, upload: Upload) -> str | None:
        return upload.song.get_absolute_url() if upload.song else None

    def get_status_url(self, upload: Upload) -> str:
        return reverse("api-upload-detail", args=[upload.pk])


class UploadRequestSerializer(serializers.Serializer[None]):
    """The body of an upload; the part `file` may be repeated."""

    file = serializers.ListField(child=serializers.FileField(), min_length=1)


class UploadBatchSerializer(serializers.Serializer[None]):
    """The answer to a request with several files."""

    count = serializers.IntegerField()
    results = UploadSerializer(many=True)


class LyricsRequestSerializer(serializers.Serializer[None]):
    """The body of lyrics for a song: a file in the LRC format, or plain text."""

    file = serializers.FileField()


class LyricsTakenSerializer(serializers.Serializer[None]):
    """What became of lyrics."""

    taken = serializers.BooleanField(help_text="False where there are no words in them, or the song has better ones.")


class UploadsRetriedSerializer(serializers.Serializer[None]):
    """How many failed songs are analysed again."""

    count = serializers.IntegerField()


class PartialUploadSerializer(serializers.ModelSerializer[PartialUpload]):
    """A large upload that is not finished; its pieces go to `url`."""

    url = serializers.SerializerMethodField(help_text="Where to go on, with the tus protocol.")

    class Meta:
        model = PartialUpload
        fields = ["url", "file_name", "fingerprint", "size_bytes", "offset_bytes", "expires_at"]
        read_only_fields = fields

    def get_url(self, partial_upload: PartialUpload) -> str:
        return reverse("api-upload-session", args=[partial_upload.public_id])


class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Upload]):
    """Uploads of the caller; the staff see all."""

    serializer_class = UploadSerializer
    permission_classes = (IsAuthenticated, CanUpload)
    queryset = Upload.objects.none()
    filter_backends = ()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Cap the body before authentication reads the CSRF token out of it."""
        if request.method == "POST":
            upload_services.uploads_capped(request)
        return super().initialize_request(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Upload]:
        return selectors.uploads_visible(self.request.user)

    @property
    def throttle_scope(self) -> str | None:
        """Only offered files count: reading states is cheap."""
        return "uploads" if self.action == "create" else None

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
        """Analyse a failed song again."""
        upload = self.get_object()
        if not can_manage_upload(request.user, upload):
            raise PermissionDenied(_("Only the owner or the staff can retry an upload."))
        upload_services.upload_retry(upload=upload)
        return Response(UploadSerializer(upload).data, status.HTTP_202_ACCEPTED)

    @extend_schema(request={"multipart/form-data": LyricsRequestSerializer}, responses=LyricsTakenSerializer)
    @action(detail=True, methods=["post"])
    def lyrics(self, request: Request, pk: str) -> Response:
        """Give the song of an upload the lyrics that lie beside its file, such as `song.lrc`."""
        upload = self.get_object()
        if upload.song_id is None or not can_manage_upload(request.user, upload):
            raise PermissionDenied(_("Only the owner or the staff can add lyrics to an upload that became a song."))
        file = request.FILES.get("file")
        if file is None:
            raise FileMissingError(_('The request has no file. Send lyrics as multipart/form-data in the part "file".'))
        with file_staged(file.chunks()) as staged:
            taken = lyrics_file_take(song_id=upload.song_id, path=staged.path)
        return Response({"taken": taken})

    @extend_schema(request=None, responses={202: UploadsRetriedSerializer})
    @action(detail=False, methods=["post"], url_path="retry", pagination_class=None)
    def retry_all(self, request: Request) -> Response:
        """Analyse all failed songs among the caller's uploads again."""
        return Response({"count": upload_services.uploads_retry(uploads=self.get_queryset())}, status.HTTP_202_ACCEPTED)

    def get_parsers(self) -> list[Any]:
        """Take multipart bodies only when a file is offered."""
        takes_files = getattr(self, "action", None) in ("create", "lyrics")
        return [MultiPartParser()] if takes_files else super().get_parsers()


class _TusView(APIView):
    permission_classes = (IsAuthenticated, CanUpload)
    needs_version = True

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate first, then check the protocol's version."""
        super().initial(request, *args, **kwargs)
        is_bound = self.needs_version and request.method not in ("GET", "OPTIONS")
        if is_bound and request.headers.get("Tus-Resumable", "") != VERSION:
            sentence = _("Send the header Tus-Resumable with %(version)s, the supported version of tus.")
            raise UploadRequestInvalidError(sentence % {"version": VERSION}, "tus_version_wrong", 412)

    @property
    def throttle_scope(self) -> str | None:
        """Only new uploads count, not their pieces."""
        return "uploads" if self.request.method == "POST" and not self.kwargs else None

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        """Name the version in every answer, refusals included."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == status.HTTP_412_PRECONDITION_FAILED:
            response["Tus-Version"] = VERSION
        return response

    @extend_schema(exclude=True)
    def options(self, request: HttpRequest, *args: object, **kwargs: object) -> Response:
        """Answer with the server's capabilities."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(settings.MOODPLANE_MAX_UPLOAD_BYTES),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        }
        return Response(status=status.HTTP_204_NO_CONTENT, headers=headers)


class ResumableUploadsView(_TusView):
    """Begin large uploads, and find those that are not finished."""

    @extend_schema(responses=PartialUploadSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the caller's unfinished uploads."""
        return Response(PartialUploadSerializer(partials_unfinished(request.user), many=True).data)

    @extend_schema(
        request=None,
        parameters=[_TUS, _LENGTH, _METADATA],
        responses={201: OpenApiResponse(description="See Location.")},
    )
    def post(self, request: Request) -> Response:
        """Begin an upload; `Location` is where its pieces go (tus 1.0.0, creation)."""
        raw = request.headers.get("Upload-Metadata", "")
        if len(raw) > _METADATA_CHARS:
            raise UploadRequestInvalidError(_("Upload-Metadata is too long."))
        metadata = metadata_read(raw)
        partial_upload = partial.partial_open(
            owner=cast(User, request.user),
            file_name=metadata.get("filename", ""),
            fingerprint=metadata.get("fingerprint", ""),
            size_bytes=_number(request, "Upload-Length"),
            metadata=raw,
        )
        location = request.build_absolute_uri(reverse("api-upload-session", args=[partial_upload.public_id]))
        return Response(status=status.HTTP_201_CREATED, headers={"Location": location, **_where(partial_upload)})


class ResumableUploadView(_TusView):
    """One unfinished upload, for its owner alone."""

    @extend_schema(exclude=True)
    def head(self, request: Request, public_id: str) -> Response:
        """Answer with the offset of the upload."""
        partial_upload = self._partial_upload()
        partial_check_open(partial_upload=partial_upload)
        headers = {"Upload-Length": str(partial_upload.size_bytes), **_where(partial_upload)}
        if partial_upload.metadata:
            headers["Upload-Metadata"] = partial_upload.metadata
        return Response(status=status.HTTP_200_OK, headers=headers)

    @extend_schema(
        request={PIECE_TYPE: OpenApiTypes.BINARY},
        parameters=[_TUS, _OFFSET, _CHECKSUM],
        responses={
            204: OpenApiResponse(description="Accepted; Upload-Offset is the next offset."),
            409: OpenApiResponse(description="The offset is wrong: ask for it with HEAD."),
            410: OpenApiResponse(description="The upload has expired."),
            460: OpenApiResponse(description="The checksum does not match; nothing was stored."),
        },
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Append a piece; after the last one, `Upload-Status-Url` leads to the upload."""
        partial_upload = self._partial_upload()
        partial_check_open(partial_upload=partial_upload)
        if request.content_type != PIECE_TYPE:
            raise UploadRequestInvalidError(
                _("Send each chunk with the content type %(type)s.") % {"type": PIECE_TYPE}, "piece_type_wrong", 415
            )
        # Django reads no body without a length, and would take this one for empty.
        if "Transfer-Encoding" in request.headers:
            raise UploadRequestInvalidError(_("Send each chunk with its Content-Length."), "length_required", 411)
        offset_bytes = _number(request, "Upload-Offset")
        # Before the body is read: a piece for another place needs not arrive first.
        offset_check(partial_upload=partial_upload, offset_bytes=offset_bytes)
        checksum = _checksum(request)
        body = cast(BinaryIO, request._request)
        pieces = _pieces(body) if checksum is None else _pieces_verified(body, *checksum)
        partial_upload = partial.partial_append(partial_upload=partial_upload, offset_bytes=offset_bytes, pieces=pieces)
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_where(partial_upload))

    @extend_schema(request=None, parameters=[_TUS], responses={204: OpenApiResponse(description="Discarded.")})
    def delete(self, request: Request, public_id: str) -> Response:
        """Discard an unfinished upload (tus 1.0.0, termination)."""
        partial.partial_discard(partial_upload=self._partial_upload())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(exclude=True)
    def post(self, request: Request, public_id: str) -> Response:
        """Obey X-HTTP-Method-Override, for senders behind networks that block PATCH."""
        instead = {"PATCH": self.patch, "DELETE": self.delete}
        method = request.headers.get("X-HTTP-Method-Override", "").upper()
        if method not in instead:
            self.http_method_not_allowed(request)
        return instead[method](request, public_id)

    def _partial_upload(self) -> PartialUpload:
        mine = PartialUpload.objects.filter(owner_id=self.request.user.pk, public_id=self.kwargs["public_id"]).first()
        if mine is None:
            raise PartialUploadNotFoundError(_("This unfinished upload does not exist or is not yours."))
        return mine


def metadata_read(header: str) -> dict[str, str]:
    """Parse the header Upload-Metadata: pairs of a name and a base64 value, separated by commas."""
    pairs = [pair.strip().split(" ") for pair in header.split(",") if pair.strip()]
    try:
        return {
            pair[0]: base64.b64decode(pair[1], validate=True).decode(errors="replace") if len(pair) == 2 else ""
            for pair in pairs
        }
    except ValueError as error:
        raise UploadRequestInvalidError(_("A value in Upload-Metadata is not valid base64.")) from error


def _number(request: Request, header: str) -> int:
    value = request.headers.get(header, "")
    if not _NUMBER.fullmatch(value):
        raise UploadRequestInvalidError(_("The header %(header)s must be a number of bytes.") % {"header": header})
    return int(value)


def _checksum(request: Request) -> tuple[str, bytes] | None:
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    algorithm, _space, digest = header.partition(" ")
    try:
        return CHECKSUMS[algorithm], base64.b64decode(digest, validate=True)
    except (KeyError, ValueError) as error:
        raise UploadRequestInvalidError(
            _("Upload-Checksum must be one of %(known)s, a space, and the digest in base64.")
            % {"known": ", ".join(CHECKSUMS)}
        ) from error


def _where(partial_upload: PartialUpload) -> dict[str, str]:
    headers = {
        "Upload-Offset": str(partial.partial_offset(partial_upload)),
        "Upload-Expires": http_date(partial_upload.expires_at.timestamp()),
    }
    if partial_upload.upload_id is not None:
        headers["Upload-Status-Url"] = reverse("api-upload-detail", args=[partial_upload.upload_id])
    return headers


def _pieces(body: BinaryIO | HttpRequest) -> Iterator[bytes]:
    piece = bytearray()
    # Of a sender that is lost, what arrived is worth keeping.
    with suppress(UnreadablePostError):
        while data := body.read(_READ_BYTES):
            piece += data
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def _pieces_verified(body: BinaryIO, algorithm: str, digest: bytes) -> Iterator[bytes]:
    computed = hashlib.new(algorithm, usedforsecurity=False)
    with tempfile.SpooledTemporaryFile(max_size=PIECE_BYTES) as spool:
        for piece in _pieces(body):
            computed.update(piece)
            spool.write(piece)
        if not hmac.compare_digest(computed.digest(), digest):
            raise PieceDamagedError(_("The chunk was damaged in transit: its checksum does not match. Send it again."))
        spool.seek(0)
        while piece := spool.read(PIECE_BYTES):
            yield piece
