"""The language of a page, asked by templates."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils import translation

from mer_site.preferences.languages import words_digest

register = template.Library()


@register.simple_tag
def words_url() -> str:
    """Return the address of the scripts' words in the page's language; empty for English, which needs none."""
    language = translation.get_language() or "en"
    digest = words_digest(language)
    return reverse("words", args=[language, digest]) if digest else ""
