"""What begins while an alert flaps is told when it calms down, and by its own name."""

from __future__ import annotations

import pytest

from alerts import backtest, clockwork
from alerts.backtest import Question
from alerts.shelf import shelf, target_of
from alerts.sqlalert import TOLD
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told

pytestmark = pytest.mark.django_db
POLICY = {"flap_changes": 4, "flap_period": "1h"}


@pytest.mark.parametrize(("fails", "last"), [(True, "error"), (False, "firing")])
def test_trouble_that_began_while_it_flapped_is_told_by_its_own_name(job, ops, at, fails, last):
    rule = rows.rule(job, policy=POLICY)
    notice = rows.notice(ops, list(TOLD), alert_rule=rule)
    for minute in range(8):
        rows.result(job, minute, *([1] if minute % 2 == 0 else []))
    before = len(told())
    if fails:
        rows.failed(job, 8)
    else:
        rows.result(job, 8, 1)
    assert len(told()) == before
    at(120)
    clockwork.pass_time()
    assert told()[-1] == last
    assert len(told()) > before
    book = shelf.take([job.tenant_id])[job.tenant_id]
    asked = Question(
        rule=rule, job=job, notices=[notice], book=book, target=target_of(job, rule),
        since=NOW - MINUTE, until=NOW + 120 * MINUTE,
    )  # fmt: skip
    assert [each.trigger.value for each in backtest.of_alert(asked).written] == told()
