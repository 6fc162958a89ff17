"""Prints users of a real Django, as `dumpdata` does: one for each of Django's password hashers.

Arguments: the password of all users, and then names of hashers. The user of a hasher has its name.
The users `unusable` (no password) and `inactive` (is_active=False) exist too. All users are in the
group `editors`, except the superuser `inactive`.
"""

import sys

import django
from django.conf import settings
from django.core.management import call_command

PASSWORD, *ALGORITHMS = sys.argv[1:]
HASHERS = "django.contrib.auth.hashers."

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    PASSWORD_HASHERS=[
        HASHERS + name
        for name in (
            "PBKDF2PasswordHasher",
            "PBKDF2SHA1PasswordHasher",
            "Argon2PasswordHasher",
            "BCryptSHA256PasswordHasher",
            "BCryptPasswordHasher",
            "ScryptPasswordHasher",
            "MD5PasswordHasher",
        )
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402

call_command("migrate", verbosity=0)
editors = Group.objects.create(name="editors")
for name in ALGORITHMS:
    user = User(username=name, email=f"{name}@example.com")
    user.password = make_password(PASSWORD, hasher=name)
    user.save()
    user.groups.add(editors)
unusable = User.objects.create_user("unusable", "unusable@example.com")
unusable.groups.add(editors)
User.objects.create_superuser("inactive", "inactive@example.com", PASSWORD, is_active=False)
call_command("dumpdata", "auth.group", "auth.user", "--natural-foreign", verbosity=0)
