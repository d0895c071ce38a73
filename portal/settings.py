"""All settings, driven by the environment; `.env.example` lists every variable.

Each variable NAME may also be given as NAME_FILE, the path of a file that holds its value (container secrets).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import environ
from django.utils.translation import gettext_lazy as _

from portal import __version__
from portal import unfold as unfold_settings
from portal.lib import localenv, mysql_driver
from portal.lib.logconf import configure as configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")
env = environ.FileAwareEnv()
mysql_driver.install()

TESTING = "pytest" in sys.modules
DEBUG = env.bool("DEBUG", default=False)
PORTAL_VERSION = __version__
ENVIRONMENT = env("PORTAL_ENVIRONMENT", default="development")
DATA_DIR = Path(env("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
if not TESTING and sys.argv[1:2] != ["up"]:  # `up` itself makes them
    localenv.load(DATA_DIR, os.environ)

INSECURE_KEY = "insecure-development-key-never-use-it-in-production-0123456789abcdef"
SECRET_KEY = env("SECRET_KEY", default=INSECURE_KEY)
# The first key encrypts, the others still decrypt: put a new key first, run `rotate_keys`, drop the old one.
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    # Before django.contrib.admin and what its contrib apps style. Its default configuration would replace our site.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "unfold.contrib.guardian",
    "portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "django_celery_beat",
    "csp",
    "portal.apps.PortalConfig",
    "accounts",
    "datasources",
    "jobs",
    "alerts",
    "import_export",  # after ours: it has an `export` command too, and the first app wins
]

MIDDLEWARE = [
    "portal.health.ProbeMiddleware",  # first: probes come by address and without HTTPS
    "portal.middleware.DatabaseDownMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "portal.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.IdleTimeoutMiddleware",
    "accounts.middleware.CurrentTenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["models.W037"]  # MariaDB has no partial indexes: there they are whole

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The portal's own address, as the links in messages have it.
PORTAL_BASE_URL = env("PORTAL_BASE_URL", default="http://127.0.0.1:8000")

# --- The ledger ---
DATABASE_URL = env("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'portal.sqlite3'}")
DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=300)
_database["CONN_HEALTH_CHECKS"] = True
_options = _database.setdefault("OPTIONS", {})
if _database["ENGINE"].endswith("sqlite3"):
    _options.update(
        {
            # Deferred transactions gave 11,725 lock errors in 1,500 claims with 8 writers.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        }
    )
    _database.setdefault("TEST", {})["NAME"] = None
elif _database["ENGINE"].endswith("mysql"):
    _options.setdefault("charset", "utf8mb4")
    _options.setdefault("isolation_level", "read committed")
    _options.setdefault("init_command", "SET sql_mode='STRICT_TRANS_TABLES'")
    _database.setdefault("TEST", {}).update({"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"})
elif _database["ENGINE"].endswith("postgresql"):
    _options.setdefault("connect_timeout", 5)
    for _name, _value in (("idle", 30), ("interval", 10), ("count", 3)):  # a server whose host is gone is noticed
        _options.setdefault(f"keepalives_{_name}", _value)
    _options.setdefault("tcp_user_timeout", 30_000)  # ms: what is sent into a cut is given up well before a lease is

# --- Accounts ---
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
GUARDIAN_MONKEY_PATCH_USER = False
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PORTAL_ROLES = "portal.roles.ROLES"  # role -> permissions; accounts reads it and knows no app above it
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = env.int("SESSION_ABSOLUTE_SECONDS", default=12 * 3600)
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=30 * 60)

# --- Security ---
HTTPS = env.bool("HTTPS", default=ENVIRONMENT == "production")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],  # unfold's Alpine.js evaluates expressions
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "add"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
IMPORT_EXPORT_SKIP_ADMIN_LOG = False

# --- Language, time, static files ---
LANGUAGE_CODE = env("LANGUAGE_CODE", default="zh-hans")
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
TIME_ZONE = env("TIME_ZONE", default="Asia/Shanghai")
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "staticfiles"
STATICFILES_DIRS = [path for path in (BASE_DIR / "portal" / "static", BASE_DIR / "frontend" / "dist") if path.is_dir()]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING
        else "portal.lib.staticstore.ManifestStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING or DEBUG

# --- Celery: JSON only, no result backend, no remote control; delays live in the ledger ---
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "portal.lib.sturdy:SturdyConsumer"  # a malformed message must not end the worker
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY = False
# A bell to a broker that is away is given up at once, instead of tried for four seconds: fire times are due meanwhile.
BROKER_GIVE_UP = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
BROKER_PATIENCE_SECONDS = 3  # of a broker that is there and silent: a click on "Run now" waits no longer
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        **BROKER_GIVE_UP,
        "socket_timeout": BROKER_PATIENCE_SECONDS,
        "socket_connect_timeout": 2,
        "unacked_restore_throttle": 1,
        "visibility_timeout": 3600,
    }
    if CELERY_BROKER_URL.startswith(("redis", "unix"))
    else BROKER_GIVE_UP  # AMQP has TCP's own limit of a second for what is not taken, and four seconds to connect
)
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "jobs.housekeeping": {"task": "jobs.housekeeping", "schedule": 60.0, "options": {"expires": 50}},
    "jobs.prune": {"task": "jobs.prune", "schedule": 300.0, "options": {"expires": 290}},
}
CELERY_BEAT_SCHEDULER = "jobs.scheduling.clock:LedgerScheduler"

# --- The engine (engine.md) ---
EMBEDDED = env.bool("PORTAL_EMBEDDED", default=False)
PORTAL_DEMO = env.bool("PORTAL_DEMO", default=True)  # `up` seeds the demo once
PORTAL_QUEUES = env.list("PORTAL_QUEUES", default=["default"])
PORTAL_HEARTBEAT_SECONDS = env.float("PORTAL_HEARTBEAT_SECONDS", default=5.0 if EMBEDDED else 15.0)
PORTAL_LEASE_SECONDS = env.float("PORTAL_LEASE_SECONDS", default=60.0 if EMBEDDED else 180.0)
# A machine with less of its disk free is an outage.
PORTAL_DISK_FREE_PERCENT = env.float("PORTAL_DISK_FREE_PERCENT", default=5.0)
PORTAL_SILENCE_SECONDS = env.float("PORTAL_SILENCE_SECONDS", default=30.0 if EMBEDDED else 60.0)
PORTAL_SWEEP_SECONDS = env.float("PORTAL_SWEEP_SECONDS", default=5.0)
PORTAL_DRAIN_SECONDS = env.float("PORTAL_DRAIN_SECONDS", default=30.0)
PORTAL_KILL_GRACE_SECONDS = env.float("PORTAL_KILL_GRACE_SECONDS", default=10.0)
# A worker takes no more runs while its machine is busier than this; a run that waited too long is taken anyway.
PORTAL_NODE_CPU_PERCENT = env.float("PORTAL_NODE_CPU_PERCENT", default=80.0)
PORTAL_NODE_MEMORY_PERCENT = env.float("PORTAL_NODE_MEMORY_PERCENT", default=85.0)
PORTAL_NODE_GATE_MAX_WAIT = env.float("PORTAL_NODE_GATE_MAX_WAIT", default=600.0)
# What a worker may promise to jobs that say what they need; 0: all of its machine.
PORTAL_NODE_CPUS = env.float("PORTAL_NODE_CPUS", default=0.0)
PORTAL_NODE_MEMORY_MB = env.int("PORTAL_NODE_MEMORY_MB", default=0)
PORTAL_CAPABILITIES = env.list("PORTAL_CAPABILITIES", default=[])
PORTAL_TARGET_AWAY_SECONDS = env.float("PORTAL_TARGET_AWAY_SECONDS", default=600.0)
PORTAL_NODE_KEEP_DAYS = env.int("PORTAL_NODE_KEEP_DAYS", default=7)
PORTAL_LOG_BYTES_PER_ATTEMPT = env.int("PORTAL_LOG_BYTES_PER_ATTEMPT", default=10 * 1024 * 1024)
# How long history is kept where neither job nor tenant says otherwise. A log never outlives its run.
PORTAL_RUN_DAYS = env.int("PORTAL_RUN_DAYS", default=90 if ENVIRONMENT == "production" else 30)
PORTAL_LOG_DAYS = env.int("PORTAL_LOG_DAYS", default=30 if ENVIRONMENT == "production" else 3)
PORTAL_SCRIPT_MAX_BYTES = env.int("PORTAL_SCRIPT_MAX_BYTES", default=1024 * 1024)
PORTAL_SQL_MAX_ROWS = env.int("PORTAL_SQL_MAX_ROWS", default=1000)
# The longest that SQL takes where nobody says how long, and the most that the query console may be told.
PORTAL_SQL_TIMEOUT_SECONDS = env.float("PORTAL_SQL_TIMEOUT_SECONDS", default=600.0)
# Decided or expired write approvals, and each person's queries, are deleted after so many days.
PORTAL_APPROVAL_DAYS = env.int("PORTAL_APPROVAL_DAYS", default=180)
PORTAL_QUERY_DAYS = env.int("PORTAL_QUERY_DAYS", default=30)
PORTAL_DEFAULT_TIMEOUT_SECONDS = env.int("PORTAL_DEFAULT_TIMEOUT_SECONDS", default=3600)
# Folders a SQLite datasource may live in; the ledger's own file is always refused.
PORTAL_SQLITE_ROOTS = [Path(p).resolve() for p in env.list("PORTAL_SQLITE_ROOTS", default=[str(DATA_DIR / "files")])]
# Addresses outbound HTTP may reach although they are private, as networks: "127.0.0.0/8,10.1.0.0/16".
PORTAL_HTTP_ALLOWED_NETWORKS = env.list(
    "PORTAL_HTTP_ALLOWED_NETWORKS", default=["127.0.0.0/8", "::1/128"] if EMBEDDED else []
)

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env("PORTAL_MAIL_FROM", default="portal@localhost")
# Where `make run` keeps mail while no mail server is set; empty: there is no such folder and no page of it.
PORTAL_MAIL_FOLDER = env("PORTAL_MAIL_FOLDER", default="")

LOG_LEVEL = env("LOG_LEVEL", default="INFO")
LOG_FORMAT = env("LOG_FORMAT", default="text" if EMBEDDED or DEBUG or TESTING else "json")
LOGGING_CONFIG = None
configure_logging(level=LOG_LEVEL, output=LOG_FORMAT)

UNFOLD = unfold_settings.build()
