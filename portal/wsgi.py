"""The web server's entry."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()

from jobs.bells import ring_in_background  # noqa: E402 - needs the settings
from portal.checks import refuse_unsafe_start  # noqa: E402

refuse_unsafe_start()
ring_in_background()  # a broker that hangs keeps no request waiting; beat rings again for what a dying process did not
