import random

import pytest

from jobs.scheduling.cron import parse_cron
from jobs.scheduling.describe import describe
from jobs.scheduling.natural import from_text
from jobs.scheduling.presets import PRESETS


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("每天上午9点执行", "0 9 * * *"),
        ("每天早上九点半", "30 9 * * *"),
        ("每天下午3点15分运行", "15 15 * * *"),
        ("每日 18:30", "30 18 * * *"),
        ("每天晚上十一点", "0 23 * * *"),
        ("每天中午12点", "0 12 * * *"),
        ("每天中午", "0 12 * * *"),
        ("每天9点和18点执行", "0 9,18 * * *"),
        ("每天十二点四十五分", "45 12 * * *"),
        ("每天执行一次", "0 0 * * *"),
        ("每周一凌晨2点", "0 2 * * 1"),
        ("每星期天 8点", "0 8 * * 7"),
        ("每周一、三、五上午10点", "0 10 * * 1,3,5"),
        ("每周一和周四 10:05", "5 10 * * 1,4"),
        ("周一到周五 09:00", "0 9 * * 1-5"),
        ("周末上午10点", "0 10 * * 6,7"),
        ("工作日18点", "0 18 * * 1-5"),
        ("每个工作日下午六点", "0 18 * * 1-5"),
        ("每月1号02:30", "30 2 1 * *"),
        ("每月1日和15日凌晨3点", "0 3 1,15 * *"),
        ("每个月最后一天23点", "0 23 L * *"),
        ("每年1月1日零点", "0 0 1 1 *"),
        ("每分钟", "* * * * *"),
        ("每5分钟", "*/5 * * * *"),
        ("每隔十五分钟执行一次", "*/15 * * * *"),
        ("每小时", "0 * * * *"),
        ("每小时第30分钟", "30 * * * *"),
        ("每两小时", "0 */2 * * *"),
        ("每半小时", "*/30 * * * *"),
        ("每10秒", "*/10 * * * * *"),
        ("工作日每5分钟", "*/5 * * * 1-5"),
        ("every day at 9am", "0 9 * * *"),
        ("Every day at 12 am", "0 0 * * *"),
        ("daily at 18:30", "30 18 * * *"),
        ("every day at noon", "0 12 * * *"),
        ("every day at 9am and 6pm", "0 9,18 * * *"),
        ("Every Monday at 2:15 p.m.", "15 14 * * 1"),
        ("every tuesday and thursday at 8am", "0 8 * * 2,4"),
        ("every Monday, Wednesday and Friday at 10:00", "0 10 * * 1,3,5"),
        ("Monday to Friday at 9", "0 9 * * 1-5"),
        ("every weekday at 9am", "0 9 * * 1-5"),
        ("on working days at 09:00", "0 9 * * 1-5"),
        ("on weekends at 10:00", "0 10 * * 6,7"),
        ("every month on the 1st at 02:00", "0 2 1 * *"),
        ("on the 1st and 15th of every month at 3am", "0 3 1,15 * *"),
        ("on day 5 of every month at 06:00", "0 6 5 * *"),
        ("on the last day of the month at 23:00", "0 23 L * *"),
        ("every year on January 1st at midnight", "0 0 1 1 *"),
        ("every year on 24 December at 18:00", "0 18 24 12 *"),
        ("every 5 minutes", "*/5 * * * *"),
        ("every minute", "* * * * *"),
        ("hourly", "0 * * * *"),
        ("every 2 hours", "0 */2 * * *"),
        ("every hour at minute 15", "15 * * * *"),
        ("every half an hour", "*/30 * * * *"),
        ("every 30 seconds", "*/30 * * * * *"),
        ("every 15 minutes on weekdays", "*/15 * * * 1-5"),
    ],
)
def test_sentence_becomes_cron(text, expression):
    assert from_text(text) == expression


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "0 9 * * *",
        "9点",
        "tomorrow at 9am",
        "每天25点",
        "每天9点70分",
        "每天晚上12点",
        "每天上午18点",
        "every day at 13pm",
        "every day at 9am and 6:30pm",
        "每7分钟",
        "每0分钟",
        "every 90 minutes",
        "每月32号2点",
        "每年2月30日",
        "每天9点除了周一",
        "every day at 9am except Monday",
        "every second Monday at 9am",
        "工作日9点到18点每小时",
        "每周一" * 100,
    ],
)
def test_sentence_that_is_not_understood_whole_is_refused(text):
    assert from_text(text) is None


def test_whatever_comes_out_is_cron():
    chooser = random.Random(3)
    words = [
        "每天",
        "每周一",
        "周五",
        "每月",
        "3号",
        "上午",
        "9点",
        "半",
        "每",
        "5",
        "分钟",
        "十",
        "小时",
        "执行",
        "和",
    ]
    words += [
        " every ",
        "day",
        " at ",
        "9",
        "am",
        " monday",
        " and ",
        "of every month",
        "的",
        "第",
        ":30",
        "-",
        "½",
    ]
    for _ in range(5_000):
        found = from_text("".join(chooser.choices(words, k=chooser.randrange(1, 8))))
        assert found is None or parse_cron(found)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)
def test_what_a_preset_is_called_reads_back_as_its_cron(preset, language):
    assert from_text(describe(preset.kind, preset.expression, "UTC", language)) == preset.expression
