"""The recommender's errors; `mer_site.errors` maps each to a response."""

from __future__ import annotations


class RecommenderError(Exception):
    """Root of the recommender's errors: a stable `code`, the HTTP `status`, and a sentence as the message."""

    code: str = "recommender_error"
    status: int = 400


class PlaylistNotFoundError(RecommenderError):
    """There is no such playlist, or it belongs to another listener: the answer does not say which."""

    code = "playlist_not_found"
    status = 404


class PlaylistItemNotFoundError(RecommenderError):
    """The playlist has no song at this place."""

    code = "playlist_item_not_found"
    status = 404


class PlaylistInvalidError(RecommenderError):
    """The request describes no possible playlist."""

    code = "playlist_invalid"


class PlaylistChangedError(RecommenderError):
    """The song is no longer at the place that the client names."""

    code = "playlist_changed"
    status = 409


class PlaylistFixedError(RecommenderError):
    """The list was imported, so its songs are not ours to choose."""

    code = "playlist_fixed"
    status = 409


class ShareNotFoundError(RecommenderError):
    """No playlist is shared by this link, or no longer."""

    code = "share_not_found"
    status = 404


class ExchangeError(RecommenderError):
    """The playlist file cannot be read, or none of its songs is in the catalog."""

    code = "exchange_invalid"


class CheckInInvalidError(RecommenderError):
    """A mood lies outside the plane, or has no owner."""

    code = "mood_invalid"


class CheckInNotFoundError(RecommenderError):
    """The listener has no such mood check-in."""

    code = "mood_not_found"
    status = 404


class RatingInvalidError(RecommenderError):
    """A rating has no answer, half a feeling, or a number outside the plane."""

    code = "rating_invalid"


class UndoTooLateError(RecommenderError):
    """The row changed again meanwhile, or the offer to undo has expired."""

    code = "undo_too_late"
    status = 409


class RatingNotFoundError(RecommenderError):
    """The listener has not rated this song."""

    code = "rating_not_found"
    status = 404


class IndexUnavailableError(RecommenderError):
    """The published index cannot be used; it can always be rebuilt from rows."""

    code = "index_unavailable"
    status = 503


class IndexMissingError(IndexUnavailableError):
    """No index was published yet."""

    code = "index_missing"


class IndexCorruptError(IndexUnavailableError):
    """The files of the published index are damaged."""

    code = "index_corrupt"


class SubsonicKeyInvalidError(RecommenderError):
    """A key for a player cannot be made as it was asked for."""

    code = "subsonic_key_invalid"


class SubsonicKeyNotFoundError(RecommenderError):
    """The listener has no such key."""

    code = "subsonic_key_not_found"
    status = 404


class ServiceRefusedError(RecommenderError):
    """Another service does not accept an account, or what it is sent; only a person can change that."""

    code = "service_refused"
    status = 422
