"""Triggers in words, in both languages; the times they name are held against the fire times."""

import re
from datetime import UTC, datetime

import pytest
from django.utils.translation import override

from jobs.scheduling.cron import TriggerError
from jobs.scheduling.describe import describe, next_fires
from jobs.scheduling.presets import PRESETS
from jobs.scheduling.triggers import CronTrigger, OnceTrigger, parse_trigger

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "english", "chinese"),
    [
        ("* * * * *", "Every minute", "每分钟"),
        ("* * * * * *", "Every second", "每秒"),
        ("*/5 * * * *", "Every 5 minutes", "每 5 分钟"),
        (
            "*/7 * * * *",
            "Every 7 minutes from minute 0 to 56 of every hour",
            "每小时的第 0 至 56 分，每 7 分钟",
        ),
        ("5-10 * * * *", "Every minute from minute 5 to 10 of every hour", "每小时的第 5 至 10 分，每分钟"),
        ("0,30 * * * *", "Every 30 minutes", "每 30 分钟"),
        ("0 * * * *", "Every hour", "每小时"),
        ("30 * * * *", "Every hour at minute 30", "每小时的第 30 分"),
        ("5,35,50 * * * *", "Every hour at minutes 5, 35 and 50", "每小时的第 5、35、50 分"),
        ("0 */2 * * *", "Every 2 hours", "每 2 小时"),
        ("15 */2 * * *", "Every 2 hours at minute 15", "每 2 小时的第 15 分"),
        (
            "*/10 */2 * * *",
            "Every 10 minutes in every 2nd hour from 00:00",
            "每天 0、2、4、6、8、10、12、14、16、18、20、22 点，每 10 分钟",
        ),
        ("0 */12 * * *", "Every day at 00:00 and 12:00", "每天 00:00、12:00"),
        (
            "0 */5 * * *",
            "Every day at 00:00, 05:00, 10:00, 15:00 and 20:00",
            "每天 00:00、05:00、10:00、15:00、20:00",
        ),
        ("0 9 * * *", "Every day at 09:00", "每天 09:00"),
        ("0 9,18 * * *", "Every day at 09:00 and 18:00", "每天 09:00、18:00"),
        ("0 9-17 * * *", "Every hour, from 09:00 to 17:00", "每天 09:00 至 17:00，每小时"),
        (
            "30 9-17 * * 1-5",
            "Every hour at minute 30, from 09:30 to 17:30, every Monday to Friday",
            "每周一至周五 09:30 至 17:30，每小时的第 30 分",
        ),
        (
            "*/5 9-17 * * 1-5",
            "Every 5 minutes, from 09:00 to 17:55, every Monday to Friday",
            "每周一至周五 09:00 至 17:55，每 5 分钟",
        ),
        ("*/10 2 * * *", "Every 10 minutes, from 02:00 to 02:50", "每天 02:00 至 02:50，每 10 分钟"),
        (
            "*/10 9,12,18 * * *",
            "Every 10 minutes in the hours 09, 12 and 18",
            "每天 9、12、18 点，每 10 分钟",
        ),
        ("*/10 * * * * *", "Every 10 seconds", "每 10 秒"),
        ("30 * * * * *", "Every minute, at second 30", "每分钟的第 30 秒"),
        ("30 */5 * * * *", "Every 5 minutes, at second 30", "每 5 分钟的第 30 秒"),
        ("30 15 * * * *", "Every hour at minute 15, at second 30", "每小时的第 15 分第 30 秒"),
        (
            "*/10 0-5 * * * *",
            "Every 10 seconds in minutes 0 to 5 of every hour",
            "每小时的第 0 至 5 分，每 10 秒",
        ),
        ("5-10 * * * * *", "Every second from second 5 to 10 of every minute", "每分钟的第 5 至 10 秒，每秒"),
        ("*/20 */5 * * * *", "Every 20 seconds in every 5th minute", "每 5 分钟的第一分钟内，每 20 秒"),
        ("0 0 12 * * ?", "Every day at 12:00", "每天 12:00"),
        ("30 0 9 * * *", "Every day at 09:00:30", "每天 09:00:30"),
        ("0 2 * * 1", "Every Monday at 02:00", "每周一 02:00"),
        ("0 2 * * 7", "Every Sunday at 02:00", "每周日 02:00"),
        ("0 2 * * 0", "Every Sunday at 02:00", "每周日 02:00"),
        ("0 2 * * 6,0", "Every Saturday and Sunday at 02:00", "每周六、周日 02:00"),
        ("30 2 * * 1,3,5", "Every Monday, Wednesday and Friday at 02:30", "每周一、周三、周五 02:30"),
        ("0 2 1 * *", "On day 1 of every month at 02:00", "每月1日 02:00"),
        ("0 2 1,15 * *", "On days 1 and 15 of every month at 02:00", "每月1日、15日 02:00"),
        ("0 2 1-7 * *", "On days 1 to 7 of every month at 02:00", "每月1日至7日 02:00"),
        (
            "0 0 */2 * *",
            "On every 2nd day from day 1 to 31 of every month at 00:00",
            "每月1日至31日之间每 2 天 00:00",
        ),
        ("0 0 L * *", "On the last day of every month at 00:00", "每月最后一天 00:00"),
        (
            "0 0 LW * *",
            "On the last weekday (Monday to Friday) of every month at 00:00",
            "每月最后一个工作日（周一至周五） 00:00",
        ),
        ("0 0 * * 5L", "On the last Friday of every month at 00:00", "每月最后一个周五 00:00"),
        ("0 0 * * MON#2", "On the second Monday of every month at 00:00", "每月第二个周一 00:00"),
        (
            "0 0 * * 1,5#3",
            "Every Monday, and on the third Friday of every month at 00:00",
            "每周一以及每月第三个周五 00:00",
        ),
        ("0 0 29 2 *", "On 29 February at 00:00", "每年2月29日 00:00"),
        ("0 0 1 1,7 *", "On day 1 of January and July at 00:00", "每年1月、7月的1日 00:00"),
        ("0 0 1 1-6 *", "On day 1 of January to June at 00:00", "每年1月至6月的1日 00:00"),
        (
            "0 0 1 */3 *",
            "On day 1 of January, April, July and October at 00:00",
            "每年1月、4月、7月、10月的1日 00:00",
        ),
        ("0 0 * 1 1", "Every Monday in January at 00:00", "每年1月的每周一 00:00"),
        ("0 0 * 1 *", "Every day in January at 00:00", "每年1月的每天 00:00"),
        ("*/5 * * 1 *", "Every 5 minutes, in January", "每年1月的每天，每 5 分钟"),
        (
            "15 3 1,15 * 1",
            "On days 1 and 15 of every month, and every Monday at 03:15",
            "每月1日、15日以及每周一 03:15",
        ),
        (
            "0 0 */10 * 1",
            "On every 10th day from day 1 to 31 of every month if it is a Monday at 00:00",
            "每月1日至31日之间每 10 天且为周一 00:00",
        ),
        (
            "0 0 1 6 1",
            "On 1 June, and every Monday in June at 00:00",
            "每年6月的1日以及每年6月的每周一 00:00",
        ),
        ("0 0 2 ? * MON 2027", "Every Monday at 02:00, in 2027", "2027年每周一 02:00"),
        ("0 0 9 24 12 ? 2026-2028", "On 24 December at 09:00, in 2026 to 2028", "2026至2028年12月24日 09:00"),
        ("0 0 9 * * ? 2027", "Every day at 09:00, in 2027", "2027年每天 09:00"),
        ("0 0 9 1 * ? 2027", "On day 1 of every month at 09:00, in 2027", "2027年每月1日 09:00"),
        ("0 0/5 * * * ? 2027", "Every 5 minutes, in 2027", "2027年每天，每 5 分钟"),
        ("0 0 * 1 5L", "On the last Friday of January at 00:00", "每年1月的最后一个周五 00:00"),
        ("0 0 1-31 * 1", "Every day at 00:00", "每天 00:00"),
        ("0 0 1-31 2 1", "Every day in February at 00:00", "每年2月的每天 00:00"),
        ("* 2 * * *", "Every minute, from 02:00 to 02:59", "每天 02:00 至 02:59，每分钟"),
        (
            "0 0 9 1 6 1 2027,2029",
            "On 1 June, and every Monday in June at 09:00, in 2027 and 2029",
            "2027、2029年6月的1日以及2027、2029年6月的每周一 09:00",
        ),
    ],
)
def test_cron_in_words(expression, english, chinese):
    assert describe("cron", expression, "Asia/Shanghai", "en") == english
    assert describe("cron", expression, "Asia/Shanghai", "zh-hans") == chinese


@pytest.mark.parametrize(
    ("kind", "expression", "english", "chinese"),
    [
        ("interval", "15m", "Every 15 minutes", "每 15 分钟"),
        ("interval", "1h", "Every hour", "每小时"),
        ("interval", "1h30m", "Every 1 hour 30 minutes", "每 1 小时 30 分钟"),
        ("interval", "90s", "Every 1 minute 30 seconds", "每 1 分钟 30 秒"),
        ("interval", "2d", "Every 2 days", "每 2 天"),
        ("interval", "1w", "Every week", "每周"),
        (
            "once",
            "2027-01-01 09:30:15",
            "Once, on 1 January 2027 at 09:30:15",
            "2027年1月1日 09:30:15 执行一次",
        ),
        ("once", "2026-12-31T16:00Z", "Once, on 1 January 2027 at 00:00", "2027年1月1日 00:00 执行一次"),
    ],
)
def test_interval_and_once_in_words(kind, expression, english, chinese):
    assert describe(kind, expression, "Asia/Shanghai", "en") == english
    assert describe(kind, expression, "Asia/Shanghai", "zh-hans") == chinese


def test_the_active_language_is_the_default():
    with override("zh-hans"):
        assert describe("cron", "0 9 * * *", "UTC") == "每天 09:00"
    with override("en"):
        assert describe("cron", "0 9 * * *", "UTC") == "Every day at 09:00"


def test_a_language_without_wording_gets_english():
    assert describe("cron", "0 9 * * *", "UTC", "fr") == "Every day at 09:00"


def test_an_invalid_expression_is_refused_not_described():
    with pytest.raises(TriggerError):
        describe("cron", "61 * * * *", "UTC", "en")


@pytest.mark.parametrize("weekday", range(8))
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_weekday_in_words_is_the_day_it_fires(weekday, language):
    names = {
        "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "zh-hans": "周一 周二 周三 周四 周五 周六 周日",
    }
    [fire] = next_fires(CronTrigger(f"0 9 * * {weekday}", "UTC"), NOW, 1)
    assert names[language].split()[fire.weekday()] in describe("cron", f"0 9 * * {weekday}", "UTC", language)


@pytest.mark.parametrize("expression", ["5 9-17 * * *", "*/7 8-11 * * *", "10-40/10 2 * * *", "* 22,23 * * *"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_first_and_last_time_in_words_are_the_first_and_last_fire_times(expression, language):
    midnight, day_end = datetime(2026, 11, 19, 23, 59, tzinfo=UTC), datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    fires = CronTrigger(expression, "UTC").between(midnight, day_end, 2_000)
    said = re.findall(r"\d\d:\d\d", describe("cron", expression, "UTC", language))
    assert said in ([f"{fires[0]:%H:%M}", f"{fires[-1]:%H:%M}"], [f"{fire:%H:%M}" for fire in fires])


def test_next_fires_are_the_fire_times_in_order():
    assert next_fires(CronTrigger("0 9 * * *", "UTC"), NOW, 2) == [
        datetime(2026, 11, 21, 9, tzinfo=UTC),
        datetime(2026, 11, 22, 9, tzinfo=UTC),
    ]


def test_next_fires_end_with_the_trigger():
    assert next_fires(OnceTrigger(NOW), datetime(2026, 1, 1, tzinfo=UTC)) == [NOW]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)
def test_presets_do_what_their_label_says(preset):
    assert parse_trigger(preset.kind, preset.expression, "UTC", NOW, NOW)
    with override("en"):
        assert describe(preset.kind, preset.expression, "UTC") in (str(preset.label), f"Every {preset.label}")


def test_the_weekly_preset_fires_on_monday():
    [weekly] = [preset for preset in PRESETS if preset.slug == "weekly"]
    assert {fire.isoweekday() for fire in next_fires(CronTrigger(weekly.expression, "UTC"), NOW)} == {1}
