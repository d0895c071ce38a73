from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = _("Jobs")

    def ready(self) -> None:
        """The library of SQL scripts asks jobs who uses a script; definitions files begin with jobs' own sections."""
        from datasources import script_users
        from jobs.scriptjobs import JobsOfScripts
        from jobs.yamlfile import ours, sections

        script_users.register("jobs", JobsOfScripts())
        sections.register(*ours.OURS)
