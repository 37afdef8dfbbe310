"""What pages of songs show of the curators' work."""

from __future__ import annotations

from typing import Any

from django import template

from catalog.models import Song
from emotion.library.views import song_panel
from emotion.models import EmotionEstimate, QuadrantOverride

register = template.Library()


@register.inclusion_tag("emotion/partials/curator_tools.html", takes_context=True)
def curator_tools(context: template.RequestContext, song: Song, estimate: EmotionEstimate | None) -> dict[str, Any]:
    """Show what a curator can do with a song; whoever includes it asks whether this is one."""
    return {"csrf_token": context.get("csrf_token"), "estimate": estimate, **song_panel(song)}


@register.inclusion_tag("emotion/partials/mood_word.html", takes_context=True)
def mood_word(context: template.RequestContext, estimate: EmotionEstimate) -> dict[str, Any]:
    """Show both what a curator set and what the model heard; which curator it was is told to curators alone."""
    set_by = ""
    if estimate.is_overridden and context.get("can_upload"):
        words = QuadrantOverride.objects.filter(song=estimate.song_id, is_current=True).select_related(
            "change__made_by"
        )
        word = words.first()
        set_by = word.change.made_by.get_username() if word and word.change.made_by else ""
    return {"estimate": estimate, "set_by": set_by}
