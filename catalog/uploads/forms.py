"""The upload form as it works without JavaScript."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files, at least one; empty files pass, because the probe says more about them."""

    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Return the files."""
        files = [each for each in data or [] if each]
        if not files and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files


class UploadForm(forms.Form):
    """Several audio files."""

    file = FilesField(
        label=gettext_lazy("Audio files"), error_messages={"required": gettext_lazy("Choose at least one audio file.")}
    )
