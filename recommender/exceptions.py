"""What can go wrong in the recommender; `mer_site.errors` turns each into a response."""

from __future__ import annotations


class RecommenderError(Exception):
    """Root of the recommender's errors: a stable `code`, the HTTP `status`, and a sentence as the message."""

    code: str = "recommender_error"
    status: int = 400


class PlaylistNotFound(RecommenderError):
    """There is no such playlist, or it belongs to somebody else: the two are told apart to nobody."""

    code = "playlist_not_found"
    status = 404


class PlaylistItemNotFound(RecommenderError):
    """A playlist has no song at this place."""

    code = "playlist_item_not_found"
    status = 404


class PlaylistInvalid(RecommenderError):
    """A playlist was asked for that cannot be."""

    code = "playlist_invalid"
    status = 400


class PlaylistChanged(RecommenderError):
    """The song is no longer where the client believes it to be."""

    code = "playlist_changed"
    status = 409


class PlaylistFixed(RecommenderError):
    """The songs of this list are not ours to choose: they came from elsewhere."""

    code = "playlist_fixed"
    status = 409


class ShareNotFound(RecommenderError):
    """The link opens nothing: it was taken back, or never was."""

    code = "share_not_found"
    status = 404


class ExchangeInvalid(RecommenderError):
    """A playlist file that cannot be read, or none of whose songs is here."""

    code = "exchange_invalid"
    status = 400


class MoodInvalid(RecommenderError):
    """A mood outside the plane, or nobody's."""

    code = "mood_invalid"
    status = 400


class MoodNotFound(RecommenderError):
    """This listener has not said this mood."""

    code = "mood_not_found"
    status = 404


class RatingInvalid(RecommenderError):
    """A rating that says nothing, half a feeling, or a number outside the plane."""

    code = "rating_invalid"
    status = 400


class UndoTooLate(RecommenderError):
    """What is to be undone was changed again meanwhile, or too long ago."""

    code = "undo_too_late"
    status = 409


class RatingNotFound(RecommenderError):
    """This listener has not rated this song."""

    code = "rating_not_found"
    status = 404


class IndexUnavailable(RecommenderError):
    """The published index cannot be used; it can always be rebuilt from rows."""

    code = "index_unavailable"
    status = 503


class IndexMissing(IndexUnavailable):
    """No index was published yet."""

    code = "index_missing"


class IndexCorrupt(IndexUnavailable):
    """An index was published, but what lies on the disk is not it."""

    code = "index_corrupt"
