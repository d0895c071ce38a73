from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = _("Jobs")

    def ready(self) -> None:
        """The library of SQL scripts asks jobs who uses a script."""
        from datasources import script_users
        from jobs.scriptjobs import JobsOfScripts

        script_users.register("jobs", JobsOfScripts())
