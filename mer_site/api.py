"""The parts of the API that belong to no app: tokens, and the page that documents the rest."""

from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView


class TokenView(ObtainAuthToken):
    """Exchange a user name and a password for the API token of that account."""

    # The framework's view opts out of throttling, which would allow endless attempts at passwords.
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "auth"
    # It also names its own parsers.
    parser_classes = APIView.parser_classes


class ApiDocsView(SpectacularSwaggerSplitView):
    """The API's documentation, with scripts and styles in files, as the Content-Security-Policy demands."""

    template_name = "site/api_docs.html"
