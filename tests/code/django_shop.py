"""A Django application in one file, with its middleware for CSRF and sessions."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

settings.configure(
    SECRET_KEY="not very secret, and long enough for nobody to complain about it",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
)


def token(request: HttpRequest) -> HttpResponse:
    """Give the token that a form needs, and its cookie."""
    request.session["seen"] = 1
    return HttpResponse(get_token(request))


def order(request: HttpRequest, name: str) -> JsonResponse:
    """Answer a form; the session is there."""
    seen = request.session.get("seen")
    return JsonResponse(
        {"item": request.POST["item"], "seen": seen, "path": request.path, "name": name}
    )


def parts(request: HttpRequest) -> StreamingHttpResponse:
    """Answer in parts."""
    return StreamingHttpResponse(part.encode() for part in ("a", "b", "c"))


def file(request: HttpRequest) -> FileResponse:
    """Send a file."""
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


urlpatterns = [
    path("token", token),
    path("order/<str:name>", order),
    path("parts", parts),
    path("file", file),
]
application = get_wsgi_application()
