"""Walks every address of an admin site as one user and reports what it should not have seen or done."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import BaseForm
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.urls.converters import IntConverter, UUIDConverter

from accounts.admin_checks import allowed_lookups, field_of
from accounts.scoping import tenant_path
from tests.canary.rows import PREFIX

FORBIDDEN = 403
UNAVAILABLE = 503  # a probe that says what is not running
SKIPPED = {"logout", "login", "password_change", "password_change_done", "jsi18n"}
LIST_QUERIES = ["q={p}&o=1.-2.3&_facets=True&all=1", "_popup=1&_to_field=id&p=1"]


@dataclass
class Walker:
    """`foreign` is the other tenant's Filler, `own` (if any) the user's own. `found` collects the findings."""

    site: Any
    user: Any
    foreign: Any
    own: Any = None
    prefix: str = "/admin/"
    found: list = field(default_factory=list)
    count: int = 0
    seen: set = field(default_factory=set)  # the user's own canaries: a walk that sees none proves nothing
    statuses: list = field(default_factory=list)
    sent: set = field(default_factory=set)  # canaries inside uploaded files: a page may repeat what was sent

    def __post_init__(self):
        self.client = Client()
        self.client.force_login(self.user)
        self.canary = re.compile(rf"{PREFIX}{self.foreign.mark}\d{{5}}")

    # --- asking -------------------------------------------------------------------------------------------------

    def get(self, address, expect=None):
        return self._ask("get", address, None, expect)

    def post(self, address, values, expect=None):
        return self._ask("post", address, values, expect)

    def _ask(self, method, address, values, expect):
        self.count += 1
        try:
            answer = getattr(self.client, method)(address, values) if values else getattr(self.client, method)(address)
        except Exception as error:  # the walk goes on: every address is to be reported
            self.note(method, address, f"raised {type(error).__name__}: {error}")
            return None
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        text = body.decode("utf-8", "replace") + repr(answer.headers)
        leaked = set(self.canary.findall(text)) - set(self.canary.findall(f"{address}{values}")) - self.sent
        if leaked:
            self.note(method, address, f"showed {sorted(leaked)[:3]}")
        if self.own:
            self.seen |= set(re.findall(rf"{PREFIX}{self.own.mark}\d{{5}}", text))
        self.statuses.append((method, address, answer.status_code))
        if answer.status_code >= 500 and answer.status_code != UNAVAILABLE:
            self.note(method, address, f"answered {answer.status_code}")
        if expect and answer.status_code not in expect:
            self.note(method, address, f"answered {answer.status_code}, not {sorted(expect)}")
        return answer

    def note(self, method, address, text):
        self.found.append(f"{self.user.username}: {method.upper()} {address}: {text}")

    # --- reading ------------------------------------------------------------------------------------------------

    def read_everything(self):
        for address in self.plain_addresses():
            self.get(address)
        for term in (PREFIX, f"{PREFIX}{self.foreign.mark}"):
            self.get(f"{self.prefix}search/?s={term}&extended=1")
            self.get(f"{self.prefix}search/?s={term}")
        for model, page in self.site._registry.items():
            self._read_pages(model, page)
            self._read_list(model, page)
            self._complete(model)

    def plain_addresses(self):
        for pattern in self.site.get_urls():
            if isinstance(pattern, URLPattern) and pattern.name not in SKIPPED and not pattern.pattern.converters:
                yield f"{self.prefix}{route(pattern)}"
        for model in self.site._registry:
            yield f"{self.prefix}{model._meta.app_label}/"

    def _read_pages(self, model, page):
        for pattern in page.get_urls():
            if not pattern.pattern.converters:
                self.get(self.address(model, pattern, None))
                continue
            if self.foreign.rows.get(model) is not None and tenant_path(model):
                self.get(self.address(model, pattern, self.foreign.rows[model].pk), expect={404})
            if self.own and self.own.rows.get(model) is not None:
                self.get(self.address(model, pattern, self.own.rows[model].pk))

    def _read_list(self, model, page):
        base = self.base(model)
        answer = self.get(base)
        if answer is None or answer.status_code == FORBIDDEN:
            return  # the same answer whatever is asked
        for query in LIST_QUERIES:
            self.get(f"{base}?{query.format(p=PREFIX + self.foreign.mark)}")
        theirs = self.foreign.rows.get(model)
        for key in sorted(key for key in allowed_lookups(page, None) if points_elsewhere(model, key)):
            self.get(f"{base}?{key}={theirs.pk if theirs else 1}")
        for each in model._meta.concrete_fields:
            oracle = "pk__gt=0" if each.is_relation else f"startswith={PREFIX}{self.foreign.mark}"
            self.get(f"{base}?{each.name}__{oracle}", expect={400, 404, 302})

    def _complete(self, model):
        for each in model._meta.concrete_fields:
            if each.is_relation:
                name = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}&field_name={each.name}"
                self.get(f"{self.prefix}autocomplete/?{name}&term={PREFIX}")

    # --- writing ------------------------------------------------------------------------------------------------

    def forge_everything(self):
        for model, page in self.site._registry.items():
            self._forge_pages(model, page)
            self._forge_form(model, f"{self.base(model)}add/")
            if self.own and self.own.rows.get(model) is not None:
                self._forge_form(model, f"{self.base(model)}{self.own.rows[model].pk}/change/")
            self._forge_actions(model, page)
            self._forge_files(model)
        self.post(f"{self.prefix}tenant/", {"tenant": self.foreign.cast.tenant.pk}, expect={404})

    def _forge_pages(self, model, page):
        theirs, mine = self.foreign.rows.get(model), self.own.rows.get(model) if self.own else None
        bag = {"post": "yes", "user": self.foreign.cast.viewer.pk, "verbs": ["view"], **self._their_keys(model)}
        for pattern in page.get_urls():
            if pattern.pattern.converters and theirs is not None and tenant_path(model):
                self.post(self.address(model, pattern, theirs.pk), bag, expect={404})
            if pattern.pattern.converters and mine is not None and not destructive(pattern):
                self.post(self.address(model, pattern, mine.pk), bag)
            elif not pattern.pattern.converters:
                self.post(self.address(model, pattern, None), bag)

    def _their_keys(self, model):
        """A foreign primary key for every name a view may read one from."""
        theirs = self.foreign.rows.get(model)
        keys = {name: theirs.pk for name in ("id", "ids", "pk", "object_id", "selected") if theirs is not None}
        for each, row in self.foreign.rows.items():
            keys[each._meta.model_name] = row.pk
        return keys

    def _forge_form(self, model, address):
        """Posts the page's own form once for each relation, with the foreign row's key in it."""
        page = self.get(address)
        if page is None or page.status_code != 200 or not page.context or "adminform" not in page.context:
            return
        values, relations = posted(page.context, self.foreign)
        for name, forged in relations or [(None, None)]:
            self.post(address, {**values, **({name: forged} if name else {})})

    def _forge_actions(self, model, page):
        theirs = self.foreign.rows.get(model)
        if theirs is None:
            return
        request = type("Request", (), {"user": self.user, "GET": {}, "tenant": self.own and self.own.cast.tenant})()
        for action in page.get_actions(request):
            for across in ("0", "1"):
                values = {"action": action, "_selected_action": [theirs.pk], "select_across": across, "post": "yes"}
                self.post(self.base(model), values)

    def _forge_files(self, model):
        """Import rows that carry the foreign row's keys, and export with the foreign row chosen."""
        theirs = self.foreign.rows.get(model)
        names = [each.name for each in model._meta.concrete_fields]
        keys = [str(getattr(theirs, each.attname, "")) for each in model._meta.concrete_fields]
        text = ",".join(names) + "\r\n" + ",".join(f'"{key}"' for key in keys) + "\r\n"
        self.sent |= set(self.canary.findall(text))
        file = SimpleUploadedFile("rows.csv", text.encode(), "text/csv")
        answer = self.post(f"{self.base(model)}import/", {"format": "0", "resource": "", "import_file": file})
        confirm = answer.context.get("confirm_form") if answer is not None and answer.context else None
        if confirm is not None:
            self.post(f"{self.base(model)}process_import/", {k: v for k, v in confirm.initial.items() if v is not None})
        self.post(f"{self.base(model)}process_import/", {"import_file_name": "/etc/passwd", "format": "0"})
        pk = theirs.pk if theirs is not None else 1
        self.post(f"{self.base(model)}export/", {"format": "0", "export_items": [pk]})

    # --- addresses ----------------------------------------------------------------------------------------------

    def base(self, model):
        return f"{self.prefix}{model._meta.app_label}/{model._meta.model_name}/"

    def address(self, model, pattern, pk):
        return self.base(model) + route(pattern, pk)


def route(pattern, pk=None):
    """The pattern's path with every parameter replaced by the primary key (or something of its type)."""
    text = str(pattern.pattern)
    for name, converter in pattern.pattern.converters.items():
        value = "00000000-0000-0000-0000-000000000000" if isinstance(converter, UUIDConverter) else str(pk)
        if isinstance(converter, IntConverter) and not value.isdigit():
            value = "1"
        text = re.sub(rf"<(\w+:)?{name}>", value, text)
    return text.lstrip("^").rstrip("$")


def points_elsewhere(model, key):
    """Whether a filter's key is about a relation, or is a filter's own; a plain column only holds the row's values."""
    reached = field_of(model, key.split("__")[0])
    if reached is None:
        return "__" not in key
    return reached.is_relation and key.endswith("__id__exact")


def destructive(pattern):
    """Deleting or closing the walker's own row would end the walk early; it is not a foreign write."""
    return any(word in str(pattern.pattern) for word in ("delete", "password"))


def posted(context, foreign):
    """(what the page's forms would post as they stand, [(name, foreign key)] of their relations)."""
    values: dict[str, Any] = {}
    relations: list[tuple[str, Any]] = []
    forms = [context["adminform"].form]
    for wrapped in context.get("inline_admin_formsets", []):
        formset = wrapped.formset
        forms += [formset.management_form, *formset.forms]
        if not formset.forms and formset.max_num:
            forms.append(formset.empty_form)
    for form in forms:
        read_form(form, foreign, values, relations)
    return values, relations


def read_form(form: BaseForm, foreign, values, relations):
    for bound in form:
        value = bound.value()
        name = bound.html_name.replace("__prefix__", "0")
        if hasattr(bound.field, "queryset"):
            row = foreign.rows.get(bound.field.queryset.model)
            if row is not None:
                relations.append((name, row.pk))
        if value is True:
            values[name] = "on"
        elif value not in (None, False):
            values[name] = bound.field.prepare_value(value)


def outside_addresses(resolver, keys, skip):
    """Addresses of the whole portal outside the admin, every parameter replaced by each of the keys."""
    for pattern in resolver.url_patterns:
        text = str(pattern.pattern).lstrip("^").rstrip("$")
        if isinstance(pattern, URLResolver):
            if text.rstrip("/") not in skip:
                yield from (f"{text}{rest}" for rest in outside_addresses(pattern, keys, skip))
        elif pattern.pattern.converters:
            yield from {route(pattern, key) for key in keys}
        else:
            yield text
