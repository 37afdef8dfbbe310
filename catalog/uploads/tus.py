"""Resumable uploads over the API: the tus protocol, for any of its clients.

Source: tus resumable upload protocol 1.0.0, core with the extensions creation, checksum, expiration and termination.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, UnreadablePostError
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView

from catalog.exceptions import PartialUploadNotFoundError, PieceDamagedError, UploadRequestInvalidError
from catalog.models import PartialUpload
from catalog.permissions import CanUpload
from catalog.uploads import partial
from catalog.uploads.api import PartialUploadSerializer
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

_TUS = OpenApiParameter("Tus-Resumable", str, OpenApiParameter.HEADER, required=True, enum=[VERSION])
_LENGTH = OpenApiParameter("Upload-Length", int, OpenApiParameter.HEADER, required=True, description="Total bytes.")
_OFFSET = OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True, description="First byte sent.")
_METADATA = OpenApiParameter(
    "Upload-Metadata",
    str,
    OpenApiParameter.HEADER,
    description="`filename` and optionally `fingerprint`, each with its value in base64.",
)
_CHECKSUM = OpenApiParameter(
    "Upload-Checksum", str, OpenApiParameter.HEADER, description="`sha1` or `sha256`, a space, the digest in base64."
)


class _TusView(APIView):
    permission_classes = (IsAuthenticated, CanUpload)
    throttle_scope = "uploads"
    needs_version = True

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Authenticate first, then check the protocol's version."""
        super().initial(request, *args, **kwargs)
        is_bound = self.needs_version and request.method not in ("GET", "OPTIONS")
        if is_bound and request.headers.get("Tus-Resumable", "") != VERSION:
            sentence = _("Send the header Tus-Resumable with %(version)s, the supported version of tus.")
            raise UploadRequestInvalidError(sentence % {"version": VERSION}, "tus_version_wrong", 412)

    def get_throttles(self) -> list[BaseThrottle]:
        """Count beginnings of uploads against their scope: a piece is no new upload."""
        throttles = super().get_throttles()
        if self.request.method == "POST" and not self.kwargs:
            return throttles
        return [each for each in throttles if not isinstance(each, ScopedRateThrottle)]

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
