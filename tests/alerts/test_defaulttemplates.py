"""What is said when a rule has no template of its own."""

from __future__ import annotations

from datetime import UTC

import pytest
from django.utils.translation import override

from alerts.defaulttemplates import SUBJECTS, Templates, default_body, default_subject, write
from alerts.states import Trigger
from alerts.templatevars import VARIABLES
from alerts.templating import names_in, parse

ALL = list(Trigger.values)
VALUES = {name: variable.sample for name, variable in VARIABLES.items()}


def written(templates=None, trigger="firing", values=None, language="en"):
    return write(templates or Templates(), trigger, VALUES if values is None else values, language=language, zone=UTC)


def test_every_trigger_has_a_subject():
    assert set(SUBJECTS) == set(ALL)


@pytest.mark.parametrize("trigger", ALL)
def test_defaults_are_good_templates_in_both_languages(trigger):
    texts = []
    for language in ("en", "zh-hans"):
        subject, body = default_subject(trigger, language), default_body(trigger, language)
        assert names_in(parse(subject)) | names_in(parse(body)) <= set(VARIABLES)
        texts.append(subject + body)
        made = written(trigger=trigger, language=language)
        assert made.subject and made.body and not made.problem and not made.is_cut
        assert "{{" not in made.subject + made.body
    english, chinese = texts
    assert english != chinese
    assert names_in(parse(english)) == names_in(parse(chinese))


@pytest.mark.parametrize("trigger", ALL)
def test_without_any_value_a_default_is_still_a_message(trigger):
    made = written(trigger=trigger, values={})
    assert made.subject
    assert ": \n" not in made.body and "\n\n\n" not in made.body


def test_a_run_says_what_happened_and_shows_the_end_of_the_log():
    values = VALUES | {"execution_log_tail": "\n".join(f"line {n}" for n in range(100))}
    made = written(trigger="technical_failure", values=values)
    assert made.subject == "Daily revenue: technical failure"
    assert made.body.startswith("The server refused the connection.\nJob: Daily revenue\nStatus: Technical failure\n")
    assert made.body.endswith("line 99") and "line 80" in made.body and "line 79" not in made.body


def test_own_templates_are_used():
    own = Templates(subject="!{{ task_id }}", body="{{ value }}")
    made = written(own)
    assert (made.subject, made.body) == ("!daily-revenue", "42")


def test_a_template_that_can_not_be_used_any_more_is_replaced_and_said():
    made = written(Templates(subject="{{ gone_variable }}", body="{{ task_name }}"))
    assert made.subject == "[Critical] Unpaid orders fires"
    assert made.body.startswith(
        "Daily revenue\n\n(A template of the rule could not be used: Line 1: there is no variable"
    )
    assert made.problem


def test_the_reader_gets_the_own_language():
    with override("en"):
        assert "严重" not in written(language="zh-hans").subject  # the sample's own word stays
        assert written(language="zh-hans").subject != written().subject
