"""What the schedule editor is told while somebody types."""

import pytest

pytestmark = pytest.mark.django_db
URL = "/admin/jobs/job/schedule-preview/"


def ask(client, **query):
    return client.get(URL, {"kind": "cron", "timezone": "Asia/Shanghai", **query}).json()


def test_both_languages_and_five_times_in_the_schedules_zone(editor) -> None:
    answer = ask(editor, expression="0 9 * * *")
    assert answer["ok"]
    assert set(answer["description"]) == {"zh-hans", "en"}
    assert len(answer["next"]) == 5
    assert all(text.endswith("09:00:00+08:00") for text in answer["next"])


def test_words_become_an_expression(editor) -> None:
    assert ask(editor, natural="每天上午9点执行")["expression"] == "0 9 * * *"


@pytest.mark.parametrize(
    "query",
    [
        {"expression": "61 * * * *"},
        {"expression": "0 0 31 2 *"},
        {"expression": ""},
        {"expression": "0 9 * * *", "timezone": "Mars/Base"},
        {"natural": "when the moon is full"},
        {"kind": "interval", "expression": "never"},
        {"kind": "once", "expression": "2001-01-01T00:00"},
        {"kind": "tide", "expression": "high"},
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(editor, query) -> None:
    answer = ask(editor, **query)
    assert not answer["ok"]
    assert answer["error"].strip()


def test_viewer_is_not_answered(as_role) -> None:
    assert as_role("viewer").get(URL, {"expression": "0 9 * * *"}).status_code == 403
