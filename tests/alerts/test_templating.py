"""Templates: what they may say, and what hostile ones and hostile values can't do."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy, override
from hypothesis import example, given
from hypothesis import strategies as st

from alerts.states import Severity
from alerts.templatevars import FILTERS, VARIABLES, Table, shown
from alerts.templating import (
    LONGEST_BODY,
    LONGEST_SUBJECT,
    TemplateError,
    parse,
    parse_subject,
    render_body,
    render_subject,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
ROWS = Table(columns=("id", "客户"), rows=((1, "李雷"), (22, None), (3, "x" * 100)), count=50)
VALUES = {
    "task_name": "Daily revenue",
    "task_id": "daily-revenue",
    "execution_log_tail": "one\ntwo\nthree\n",
    "execution_start_time": datetime(2026, 1, 31, 1, 0, tzinfo=UTC),
    "execution_duration": timedelta(minutes=2, seconds=5),
    "threshold_count": 3,
    "value": 1234.5,
    "evidence": ROWS,
}


@pytest.fixture(autouse=True)
def english():
    with override("en"):
        yield


def look(values=VALUES, language="en"):
    return {"values": values, "language": language, "zone": SHANGHAI}


def body(text, values=VALUES, language="en"):
    return render_body(parse(text), **look(values, language)).text


def subject(text, values=VALUES):
    return render_subject(parse(text), **look(values)).text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ task_name }} failed", "Daily revenue failed"),
        ("{{task_name}}|{{   task_id   }}", "Daily revenue|daily-revenue"),
        ("{{ execution_start_time }}", "2026-01-31 09:00:00 UTC+08:00"),
        ('{{ execution_start_time|date:"%d.%m. %H:%M" }}', "31.01. 09:00"),
        ("{{ execution_duration }}", "2m5s"),
        ("{{ threshold_count }} times", "3 times"),
        ("{{ value }} {{ value|round:2 }}", "1234.5 1234.50"),
        ("{{ execution_log_tail|lines:2 }}", "two\nthree"),
        ("{{ execution_log_tail | lines : 1 | upper }}", "THREE"),
        ("{{ execution_log_tail|first_lines:1 }}", "one"),
        ("{{ execution_log_tail|lines:0 }}.", "."),
        ("{{ task_name|cut:6 }}", "Daily…"),
        ("{{ task_name|lower|upper }}", "DAILY REVENUE"),
        ("[{{ owner }}]", "[]"),
        ('{{ owner|default:"nobody" }}', "nobody"),
        ('{{ owner|label:"Owner: " }}{{ task_id|label:"Job:\\t\\"" }}', 'Job:\t"daily-revenue'),
        ("{ not one } {single}", "{ not one } {single}"),
        ("a }} b", "a }} b"),
        ("50 % of {{ value }}", "50 % of 1234.5"),
    ],
)
def test_what_a_template_says(template, text):
    assert body(template) == text


def test_a_table_is_text_in_columns_and_says_what_is_missing():
    assert body("{{ evidence|rows:2 }}").splitlines() == [
        "id  客户",
        "--  ----",
        "1   李雷",
        "22  NULL",
        "… and 48 more",
    ]


def test_a_subject_is_one_line_of_so_many_characters():
    assert (
        subject("a {{ task_name }}", {"task_name": "x\r\nBcc: evil@example.com\u2028y"})
        == "a x Bcc: evil@example.com�y"
    )
    assert len(subject("{{ task_name }}", {"task_name": "中" * 10_000})) == LONGEST_SUBJECT


# --- hostile templates


@pytest.mark.parametrize(
    "template",
    [
        "{{ task_name.__class__ }}",
        "{{ task_name.__class__.__mro__.1.__subclasses__ }}",
        "{{ __class__ }}",
        "{{ task_name['x'] }}",
        "{{ task_name() }}",
        '{{ task_name|attr:"x" }}',
        "{{ task_name|safe }}",
        "{{ task_name|add:task_id }}",
        "{{ task_name|lines:task_id }}",
        "{{ task_name|lines:-1 }}",
        "{{ task_name|lines:99999999999 }}",
        "{{ task_name|lines }}",
        "{{ task_name|upper:1 }}",
        "{{ task_name|default:3 }}",
        '{{ task_name|date:"%n%n%s" }}',
        "{{ settings.SECRET_KEY }}",
        "{{ request.user.password }}",
        "{% load os %}",
        "{% include '/etc/passwd' %}",
        "{% debug %}{% now 'Y' %}",
        "{% if x %}y{% endif %}",
        "{# comment #}",
        "{{ }}",
        "{{",
        "{{ task_name",
        "{{ task_name }",
        "{{ {{ task_name }} }}",
        "{{ task_name | }}",
        "{{ task_name ; rm }}",
        "{{ 'text' }}",
        "{{ 1 + 1 }}",
        "{{ task_name\n.x }}",
        "{{ task_nаme }}",  # a Cyrillic letter
        "{{ task_name|lines:٣ }}",
        "{" * 10_000,
        "{{" * 9_000,
        "{{ task_name" + "|upper" * 6 + " }}",
        "{{ task_name }}" * 201,
        "x" * 20_001,
        '{{ task_name|label:"' + "x" * 5000 + '" }}',
        '{{ task_name|label:"' + '\\"' * 5000,
    ],
)
def test_what_is_more_than_variables_and_filters_is_refused_in_a_sentence(template):
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert caught.value.sentence.endswith((".", "?")) and len(caught.value.sentence) < 300


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Hello\n{{ task_nam }}", "Line 2: there is no variable “task_nam”; do you mean “task_name”?"),
        ("{{ Execution_Status }}", "do you mean “execution_status”?"),
        ("{{ zzz }}", "there is no variable “zzz”: choose one from the list."),
        ("{{ task_name|line:3 }}", "there is no filter “line”, only lines, "),
        ("{{ task_name|lines }}", "write |lines:20."),
        ("{% if x %}", "“{%” is not known here"),
        ('{{ time|date:"%Q" }}', "“%Q” is no format of a time: write one such as %Y-%m-%d %H:%M."),
    ],
)
def test_the_sentence_says_where_and_what_to_write(template, words):
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("template", "words"),
    [("a\nb", "one line"), ("a\rb", "one line"), ("{{ ack_url }}", "whoever may look"), ("x" * 501, "501")],
)
def test_a_subject_is_one_line_that_everybody_may_read(template, words):
    with pytest.raises(TemplateError) as caught:
        parse_subject(template)
    assert words in caught.value.sentence
    assert parse_subject(" {{ task_name }} ") == parse("{{ task_name }}")


@given(st.text(alphabet='{}%#|:"\\ tasknme_2\n', max_size=80))
@example('{{ task_name|label:"\\" }}')
def test_any_text_is_parsed_or_refused_and_what_is_parsed_can_be_rendered(text):
    try:
        parts = parse(text)
    except TemplateError:
        return
    assert "{{" not in "".join(part for part in parts if isinstance(part, str))
    render_body(parts, **look())


@given(st.text(max_size=300))
def test_a_value_is_never_read_as_a_template(text):
    values = {"task_name": text + "{{ task_id }}{% load x %}", "task_id": "SECRET"}
    assert "SECRET" not in body("{{ task_name }}", values)


# --- hostile values


class Trap(str):
    """A text whose methods must not be called."""

    def __str__(self):
        raise AssertionError("called")

    __format__ = __html__ = __repr__ = __str__  # type: ignore[assignment]


class Row:
    secret = "SECRET"

    def __str__(self):
        return self.secret


def test_what_is_no_plain_value_is_a_defect_of_the_caller():
    for value in (Row(), {"a": 1}, ["a"], lambda: "x", b"x", Row):
        with pytest.raises(TypeError, match="no plain value"):
            body("{{ task_name }}", {"task_name": value})


def test_a_text_of_another_class_is_only_its_letters():
    assert body("{{ task_name }}{{ owner|upper }}", {"task_name": Trap("abc"), "owner": Trap("def")}) == "abcDEF"
    assert body("{{ severity }}", {"severity": Severity.CRITICAL}) == "critical"


def test_a_label_is_said_in_the_language_of_the_message():
    values = {"severity": Severity.CRITICAL.label, "owner": gettext_lazy("Critical")}
    assert body("{{ severity }} {{ owner }}", values, "zh-hans") != body("{{ severity }} {{ owner }}", values)


@pytest.mark.parametrize("template", ["{{ execution_log_tail }}" * 200, '{{ execution_log_tail|label:"x"|upper }}'])
@pytest.mark.parametrize("letter", ["x", "中", "\n", "<", "\x00"])
def test_ten_megabytes_of_log_give_a_bounded_message_in_bounded_memory(template, letter):
    values = {"execution_log_tail": letter * 10_000_000}
    parts = parse(template)
    tracemalloc.start()
    try:
        made = render_body(parts, **look(values))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(made.text.encode()) <= LONGEST_BODY and (made.is_cut or letter == "\n")
    assert peak < 150_000_000


def test_the_end_of_a_huge_log_is_found():
    assert body("{{ execution_log_tail|lines:2 }}", {"execution_log_tail": "x\n" * 5_000_000 + "a\nb\n"}) == "a\nb"


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), Decimal("1E+999999"), Decimal("NaN"), float("inf"), float("nan"), 1e300, True, None, 0],
    ids=lambda value: type(value).__name__,
)
def test_any_number_is_shown_and_rounded(value):
    assert len(body("{{ value }} {{ value|round:2 }}", {"value": value})) < 1000


@pytest.mark.parametrize("value", [timedelta(0), timedelta(days=-3), timedelta.max, timedelta(milliseconds=400)])
def test_any_length_of_time_is_shown(value):
    assert body("{{ execution_duration }}", {"execution_duration": value})


def test_cells_of_a_table_are_short_and_few():
    wide = Table(columns=tuple("abc" * 50), rows=((("x\n" * 10_000),) * 150,) * 1000)
    text = body("{{ evidence }}", {"evidence": wide})
    assert len(text.splitlines()) <= 53 and max(map(len, text.splitlines())) < 1000
    assert body("{{ evidence }}", {"evidence": Table(columns=(), rows=())}) == ""
    assert "1" in body("{{ evidence }}", {"evidence": Table(columns=("a", "b"), rows=((1,),))})


def test_empty_values_leave_one_blank_line_at_most():
    assert body("a\n{{ owner }}\n{{ owner }}\n{{ owner }}\nb") == "a\n\nb"


# --- the tables


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_is_described_in_both_languages_and_has_a_sample(name):
    variable = VARIABLES[name]
    english_text = str(variable.about)
    with override("zh-hans"):
        assert str(variable.about) != english_text
    assert body(f"{{{{ {name} }}}}", {name: variable.sample})


def test_the_documented_variables_are_there():
    assert {
        "task_id", "task_name", "execution_status", "execution_start_time", "execution_end_time", "execution_duration",
        "threshold_count", "execution_log_tail", "rule_name", "state", "severity", "value", "sentence", "evidence",
        "incident_url", "ack_url", "tenant",
    } <= set(VARIABLES)  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_takes_every_kind_of_value(name):
    argument = {"number": ":2", "text": ':"%Y"', "": ""}[FILTERS[name].argument]
    for value in (None, "", "a\nb", 3, 2.5, Decimal("1.5"), True, VALUES["execution_start_time"], timedelta(1), ROWS):
        body(f"{{{{ value|{name}{argument} }}}}", {"value": value})


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (UTC, "2026-01-31 01:00:00 UTC"),
        (timezone(timedelta(hours=8)), "2026-01-31 09:00:00 UTC+08:00"),
        (timezone(timedelta(hours=-3, minutes=-30)), "2026-01-30 21:30:00 UTC-03:30"),
        (None, "2026-01-31 01:00:00"),
    ],
)
def test_a_moment_says_its_zone(zone, expected):
    at = datetime(2026, 1, 31, 1, tzinfo=UTC)
    assert shown(at.astimezone(zone) if zone else at.replace(tzinfo=None)) == expected
