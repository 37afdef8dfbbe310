"""The functions of this project's own in PostgreSQL, for queries and indexes."""

from django.contrib.postgres.search import SearchVectorField
from django.db.models import Func, TextField


class SearchWords(Func):
    """The words of a name as the search compares them: lower letters without accents and punctuation."""

    template = "to_tsvector('simple'::regconfig, catalog_search_fold(%(expressions)s))"
    output_field = SearchVectorField()


class SortKey(Func):
    """What names are put in order by: folded as for the search, without "The" at the beginning."""

    function = "catalog_sort_key"
    output_field = TextField(db_collation="C")
