"""How the API shows what became of an upload."""

from __future__ import annotations

from django.urls import reverse
from rest_framework import serializers

from catalog.models import PartialUpload, Song, Upload


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
