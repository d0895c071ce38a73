"""SQL scripts of the library: saved as versions that never change, restored, deleted, and read by who may use them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils.translation import ngettext

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from datasources import script_users
from datasources.models import DataSource, SqlScript, SqlScriptVersion
from datasources.sqltext import clean_sql, has_statement
from portal.lib.fielderrors import FieldError, FieldErrors
from portal.lib.runparams import RunParam, parse_params
from portal.lib.said import said as _

NOTE_LENGTH = 200


class ScriptInUseError(Exception):
    """It can't be deleted or renamed; `str()` is a sentence that names what uses it."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a script shall be. `parameters` are `RunParam`s or their JSON; `datasources` None keeps those linked."""

    text: str
    parameters: Sequence[Any] = ()
    note: str = ""
    datasources: Collection[DataSource] | None = None


def save_script(script: SqlScript, draft: Draft, *, actor: User | None) -> bool:
    """Create or change; whether that made a new version. `actor` None is the platform itself.

    Raises `FieldErrors` with all that is wrong, or `PermissionDenied`.
    """
    if actor is not None and not can(actor, "change" if script.pk else "add", script):
        raise PermissionDenied
    text, parameters = check(script, draft, actor=actor)
    with transaction.atomic():
        is_new = script.pk is None
        if is_new:
            script.created_by = script.created_by or actor
        else:
            SqlScript.objects.select_for_update().get(pk=script.pk)  # two who save at once make two numbers
            script.current = SqlScript.objects.get(pk=script.pk).current
        _write(script)
        if draft.datasources is not None:
            script.datasources.set(draft.datasources)
        has_version = _is_changed(script, text, parameters)
        if has_version:
            _publish(script, text, parameters, draft.note, actor)
        details = {"version": script.current.number if script.current else None}
        verb = "created" if is_new else "changed"
        audit.record(f"datasources.sqlscript.{verb}", actor=actor, target=script, details=details)
    return has_version


def restore_version(script: SqlScript, version: SqlScriptVersion, *, actor: User | None) -> bool:
    """An old text as the newest version; False when it is the present one. Raises as `save_script` does."""
    note = _("Version %(number)d, restored") % {"number": version.number}
    return save_script(script, Draft(text=version.text, parameters=version.parameters, note=note), actor=actor)


def delete_script(script: SqlScript, *, actor: User | None) -> None:
    """With all its versions. Raises `ScriptInUseError` while something names it."""
    if actor is not None and not can(actor, "delete", script):
        raise PermissionDenied
    with transaction.atomic():
        SqlScript.objects.select_for_update().get(pk=script.pk)
        if words := in_use(script, viewer=actor):
            raise ScriptInUseError(words)
        audit.record("datasources.sqlscript.deleted", actor=actor, target=script)
        script.delete()


def in_use(script: SqlScript, *, viewer: User | None) -> str:
    """Who uses it, as a reason not to delete or rename it; names only what the viewer may see. Empty: nobody."""
    names, hidden = script_users.uses(script, viewer=viewer)
    if not names and not hidden:
        return ""
    quoted = ", ".join(f"“{name}”" for name in names)
    if not names:
        words = ngettext(
            "It is used by %(count)d job that you may not see: ask a tenant admin.",
            "It is used by %(count)d jobs that you may not see: ask a tenant admin.",
            hidden,
        )
        return words % {"count": hidden}
    if hidden:
        return _("It is used by %(names)s and %(count)d more that you may not see: change those jobs first.") % {
            "names": quoted,
            "count": hidden,
        }
    return _("It is used by %(names)s: change those jobs first.") % {"names": quoted}


# --- using --------------------------------------------------------------------------------------------------------


def find_version(tenant_id: int, slug: str, number: int | None = None) -> SqlScriptVersion | None:
    """The version of that number, or the current one."""
    rows = SqlScriptVersion.objects.filter(tenant_id=tenant_id, script__slug=slug).select_related("script", "author")
    return rows.filter(number=number).first() if number is not None else rows.order_by("-number").first()


def params_of(version: SqlScriptVersion) -> list[RunParam]:
    return [RunParam.model_validate(each) for each in version.parameters]


def refusal(version: SqlScriptVersion, source: DataSource, *, user: User | None) -> str:
    """Why this person can't run the version there; empty when nothing speaks against it.

    Who wrote the text must be allowed to use the datasource too: else a change of the script would lend an editor
    the rights of whoever made a job of it.
    """
    script = version.script
    if user is not None and not can(user, "use", script):
        words = _("%(user)s may not use the SQL script “%(script)s”: ask a tenant admin for the right.")
        return words % {"user": user.get_username(), "script": script.slug}
    if not may_run_on(script, source):
        words = _("The SQL script “%(script)s” is not meant for the datasource “%(slug)s”: choose one it is linked to.")
        return words % {"script": script.slug, "slug": source.slug}
    if version.author is not None and not can(version.author, "use", source):
        words = _(
            "Version %(number)d of the SQL script “%(script)s” is by %(author)s, who may not use the datasource "
            "“%(slug)s”: have somebody who may save the script anew."
        )
        facts = {"number": version.number, "script": script.slug, "slug": source.slug}
        return words % {**facts, "author": version.author.get_username()}
    return ""


def may_run_on(script: SqlScript, source: DataSource) -> bool:
    """A script that is linked to datasources runs on those only."""
    linked = list(script.datasources.values_list("pk", flat=True))
    return not linked or source.pk in linked


def bound_to(sources: Collection[DataSource]) -> QuerySet[SqlScript]:
    """Scripts that may run on these datasources only: without them they would suddenly run anywhere."""
    keys = [source.pk for source in sources]
    elsewhere = DataSource.objects.exclude(pk__in=keys)
    return SqlScript.objects.filter(datasources__in=keys).exclude(datasources__in=elsewhere).distinct()


# --- helpers ------------------------------------------------------------------------------------------------------


def check(script: SqlScript, draft: Draft, *, actor: User | None) -> tuple[str, list[dict[str, Any]]]:
    """The usable text and parameters; `FieldErrors` with all that speaks against saving them."""
    errors = [*_row_problems(script, actor)]
    text, parameters = draft.text, list[RunParam]()
    try:
        text = clean_sql(draft.text)
        if not has_statement(text):
            errors.append(FieldError(path="text", message=_("There are only comments: write at least one statement.")))
    except ValueError as error:
        errors.append(FieldError(path="text", message=str(error)))
    try:
        parameters = parse_params(list(draft.parameters))
    except FieldErrors as refused:
        errors += [error.under("parameters") for error in refused.errors]
    if len(draft.note) > NOTE_LENGTH:
        words = _("The note is too long: at most %(most)d characters.") % {"most": NOTE_LENGTH}
        errors.append(FieldError(path="note", message=words))
    plain = [param.model_dump(mode="json", exclude_defaults=True) for param in parameters]
    if not errors and script.pk and _is_changed(script, text, plain):
        words = script_users.refusal(script, author=actor)
        errors += [FieldError(path="text", message=words)] if words else []
    if errors:
        raise FieldErrors(errors)
    return text, plain


def _row_problems(script: SqlScript, actor: User | None) -> list[FieldError]:
    """The row's own rules, "unique per tenant" said at its field; and a slug that jobs name stays."""
    errors = []
    try:
        script.full_clean(exclude=["current"], validate_constraints=False)
    except ValidationError as error:
        errors += [FieldError(path=name, message=" ".join(words)) for name, words in error.message_dict.items()]
    others = SqlScript.objects.filter(tenant_id=script.tenant_id).exclude(pk=script.pk)
    errors += [
        FieldError(path=name, message=_("This is taken. Choose another one."))
        for name in ("name", "slug")
        if others.filter(**{name: getattr(script, name)}).exists()
    ]
    stored = SqlScript.objects.filter(pk=script.pk).first() if script.pk else None
    if stored is not None and stored.slug != script.slug and (words := in_use(stored, viewer=actor)):
        errors.append(FieldError(path="slug", message=words))
    return errors


def _write(script: SqlScript) -> None:
    try:
        with transaction.atomic():
            script.save()
    except IntegrityError:  # somebody saved the same name a moment ago
        raise FieldErrors.of("name", _("This is taken. Choose another one.")) from None


def _is_changed(script: SqlScript, text: str, parameters: list[dict[str, Any]]) -> bool:
    current = script.current
    return current is None or current.text != text or current.parameters != parameters


def _publish(
    script: SqlScript, text: str, parameters: list[dict[str, Any]], note: str, actor: User | None
) -> SqlScriptVersion:
    last = script.versions.aggregate(last=Max("number"))["last"] or 0
    version = SqlScriptVersion.objects.create(
        tenant_id=script.tenant_id,
        script=script,
        number=last + 1,
        text=text,
        parameters=parameters,
        note=note,
        author=actor,
    )
    script.current = version
    script.save(update_fields=["current", "updated_at"])
    script_users.follow(script, actor=actor)
    return version
