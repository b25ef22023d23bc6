"""Serves the Django site of docs/en/clients/django.md: django_site.py FOLDER, which has settings.py and signin.py.

/ shows the user as JSON, /form has the form for sign-out.
"""
import sys

import django
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import include, path
from werkzeug.serving import make_server

folder = sys.argv[1]
sys.path.insert(0, folder)
import settings as page  # noqa: E402

settings.configure(
    SECRET_KEY="secret-key-of-the-test-" * 4,
    ROOT_URLCONF="__main__",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder + "/db.sqlite3"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    **{name: getattr(page, name) for name in dir(page) if name.isupper()},
)
django.setup()
call_command("migrate", verbosity=0)
import signin  # noqa: E402


def home(request):
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({})
    groups = sorted(group.name for group in user.groups.all())
    return JsonResponse({"sub": user.username, "name": user.first_name, "groups": groups, "admin": user.is_superuser})


def form(request):
    return HttpResponse(
        '<form method="post" action="/sign-out">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"></form>'
    )


urlpatterns = [
    path("", home),
    path("private", login_required(home)),
    path("form", form),
    path("", include(signin)),
]
server = make_server("127.0.0.1", 0, get_wsgi_application(), threaded=True)
print(f"ready at http://127.0.0.1:{server.server_port} ", flush=True)
server.serve_forever()
