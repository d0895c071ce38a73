"""Everyday sentences, Chinese or English, to cron: 每天上午9点执行, every Monday at 2am. PURE.

It reads what it knows and gives up on the rest: a sentence with one word it does not understand is refused
rather than guessed. A day without a time means midnight.
"""

import re
import unicodedata
from dataclasses import dataclass

from jobs.scheduling.cron import TriggerError, parse_cron

MAX_LENGTH = 200
_DIGITS = {digit: number for number, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_WEEKDAYS_ZH = {day: number for number, day in enumerate("一二三四五六日", start=1)} | {"天": 7}
_WEEKDAYS_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS_EN = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_AND = r"\s*(?:、|,\s*and|,|和|及|与|\band\b)\s*"
_TO = r"\s*(?:到|至|-|~|\bto\b|\bthrough\b)\s*"
_UNITS = {"秒": "s", "分": "m", "小": "h", "钟": "h", "s": "s", "m": "m", "h": "h"}
_FILLER = re.compile(
    r"执行|运行|触发|自动|定时|请|的|在|都|跑|1次|次|[\s,.。、，和]"
    r"|\b(?:run|it|please|the|job|task|on|at|of|once|and|o'?clock)\b"
)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The cron text of a part of the sentence, and what is left of the sentence."""

    cron: str
    rest: str


def from_text(text: str) -> str | None:
    """The cron expression, 5 fields or 6 for a rhythm of seconds; None for a sentence not understood."""
    if len(text) > MAX_LENGTH:
        return None
    sentence = _normalised(text)
    rhythm = _take_rhythm(sentence)
    days = _take_days(rhythm.rest if rhythm else sentence)
    rest = days.rest if days else rhythm.rest if rhythm else sentence
    if rhythm:
        expression = f"{rhythm.cron} {days.cron if days else '* * *'}"
    elif days:
        clock = _take_times(rest)
        expression, rest = f"{clock.cron} {days.cron}", clock.rest
    else:
        return None
    return expression if not _FILLER.sub("", rest) and _is_valid(expression) else None


def _is_valid(expression: str) -> bool:
    try:
        parse_cron(expression)
    except TriggerError:
        return False
    return True


def _normalised(text: str) -> str:
    """Lower case, half width, weekdays as w1 to w7, months as m1 to m12, Chinese numbers as digits."""
    text = unicodedata.normalize("NFKC", text).lower().strip()
    text = re.sub(r"(?:周|星期|礼拜)末|\bweekends?\b", "w6,w7", text)
    text = re.sub(r"每?个?(?:工作日|平日)|\b(?:week|work|working |business )days?\b", " w1-w5", text)
    text = re.sub(r"(?:周|星期|礼拜)([一二三四五六日天])", lambda day: f"w{_WEEKDAYS_ZH[day[1]]}", text)
    while (more := re.sub(r"(w\d(?:、|,|和|及|与))([一二三四五六日天])(?![点时号日月十])", _weekday_zh, text)) != text:
        text = more
    names = "|".join(_WEEKDAYS_EN)
    text = re.sub(rf"\b({names})(?:[a-z]*day)?s?\b", lambda day: f"w{_WEEKDAYS_EN.index(day[1]) + 1}", text)
    months = "|".join(_MONTHS_EN)
    text = re.sub(rf"\b({months})[a-z]*\b", lambda month: f"m{_MONTHS_EN.index(month[1]) + 1}", text)
    return re.sub(r"[零〇一二两三四五六七八九十]+", _number_zh, text)


def _weekday_zh(match: re.Match[str]) -> str:
    return f"{match[1]}w{_WEEKDAYS_ZH[match[2]]}"


def _number_zh(match: re.Match[str]) -> str:
    """Numbers to 99: 十二, 二十, 三十五, 三零."""
    tens, is_compound, ones = match[0].partition("十")
    if not is_compound:
        return "".join(str(_DIGITS[digit]) for digit in tens)
    if len(tens) > 1 or len(ones) > 1 or "十" in ones:
        return "?"
    return str((_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0))


_RHYTHM = re.compile(
    r"(?:每隔?|\bevery\s+|\beach\s+)\s*(?P<count>\d+|半|half\s+an?)?\s*个?\s*"
    r"(?P<unit>分钟|分|小时|钟头|秒钟|秒|minutes?|mins?|hours?|seconds?|secs?)(?![a-z])"
    r"(?:\s*的?第?\s*(?P<minute>\d{1,2})\s*分钟?|\s*at minute\s+(?P<past>\d{1,2}))?"
)


def _take_rhythm(sentence: str) -> _Found | None:
    """Every n seconds, minutes or hours; n must divide the minute, hour or day, or cron could not keep it."""
    match = _RHYTHM.search(re.sub(r"\bhourly\b", "every hour", sentence))
    if match is None:
        return None
    sentence = re.sub(r"\bhourly\b", "every hour", sentence)
    rest = sentence[: match.start()] + " " + sentence[match.end() :]
    cron = _rhythm(match["count"] or "1", _UNITS[match["unit"][0]], match["minute"] or match["past"])
    return _Found(cron=cron, rest=rest) if cron else None


def _rhythm(count: str, unit: str, minute: str | None) -> str | None:
    if not count.isdigit():  # half an hour, half a minute
        unit, count = {"h": ("m", "30"), "m": ("s", "30")}.get(unit, ("", ""))
    number = int(count or 0)
    if minute is not None and unit != "h":
        return None
    if number < 1 or (24 if unit == "h" else 60) % number:
        return None
    step = "*" if number == 1 else f"*/{number}"
    if unit == "s":
        return f"{step} * *"
    return f"{step} *" if unit == "m" else f"{int(minute or 0)} {step}"


_NUMBER = r"\d{1,2}(?:st|nd|rd|th|号|日)?"
_NUMBERS = rf"{_NUMBER}(?:{_AND}{_NUMBER})*"
_DAY = r"w\d"
_DAY_PATTERNS = (
    (re.compile(r"每年的?(?P<month>\d{1,2})月(?P<day>\d{1,2})[号日]"), "year"),
    (
        re.compile(
            r"\b(?:every|each) year\s+(?:on\s+)?"
            r"(?:m(?P<m1>\d+)\s+(?P<d1>\d{1,2})(?:st|nd|rd|th)?|(?P<d2>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?m(?P<m2>\d+))"
        ),
        "year",
    ),
    (
        re.compile(r"每个?月的?最后(?:1天|1日)|(?:on\s+)?(?:the\s+)?last day of (?:the|every|each) month"),
        "last",
    ),
    (re.compile(rf"每个?月的?(?P<days>{_NUMBERS})"), "month"),
    (re.compile(rf"(?:\bdays? )?(?P<days>{_NUMBERS}) of (?:the|every|each) month"), "month"),
    (
        re.compile(rf"(?:\b(?:every|each) month|\bmonthly) (?:on )?(?:the |days? )*(?P<days>{_NUMBERS})"),
        "month",
    ),
    (
        re.compile(
            rf"(?:每|\bevery\s|\beach\s|\bon\s)?\s*(?P<week>{_DAY}(?:(?:{_TO}|{_AND})(?:(?:每|every)\s*)?{_DAY})*)"
        ),
        "week",
    ),
    (re.compile(r"每天|每日|天天|\bevery\s?day\b|\beach day\b|\bdaily\b"), "day"),
)


def _take_days(sentence: str) -> _Found | None:
    """On which days, as the last three fields of cron."""
    for pattern, kind in _DAY_PATTERNS:
        match = pattern.search(sentence)
        if match is not None:
            rest = sentence[: match.start()] + " " + sentence[match.end() :]
            return _Found(cron=_day_cron(kind, match), rest=rest)
    return None


def _day_cron(kind: str, match: re.Match[str]) -> str:
    groups = match.groupdict()
    if kind == "year":
        day = groups.get("day") or groups.get("d1") or groups.get("d2")
        month = groups.get("month") or groups.get("m1") or groups.get("m2")
        return f"{day} {month} *"
    if kind == "month":
        return f"{','.join(re.findall(r'[0-9]+', groups['days']))} * *"
    if kind == "week":
        week = re.sub(_TO, "-", re.sub(r"每|every|w", "", groups["week"]))
        return f"* * {re.sub(r'[^0-9-]+', ',', week).strip(',')}"
    return "L * *" if kind == "last" else "* * *"


_TIME = re.compile(
    r"(?P<period>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里)?\s*(?P<at>\bat\s+)?(?P<hour>\d{1,2})"
    r"(?:(?P<mark>[点时])(?:(?P<zh>\d{1,2})分?|(?P<part>半|1刻|3刻)|整|钟)?|:(?P<minute>\d{2}))?"
    r"\s*(?P<half>[ap]\.?m\b\.?)?"
)
_PARTS = {"半": 30, "1刻": 15, "3刻": 45}
_NAMED_TIMES = (("午夜|半夜|\\bmidnight\\b", "0:00"), ("中午(?!\\s*\\d)|正午|\\bnoon\\b", "12:00"))


def _take_times(sentence: str) -> _Found:
    """The times of day as minute and hour; several must share their minute, as cron cannot say otherwise."""
    for names, time in _NAMED_TIMES:
        sentence = re.sub(names, f" {time} ", sentence)
    matches = [match for match in _TIME.finditer(sentence) if _is_time(match)]
    if not matches:
        return _Found(cron="0 0", rest=sentence)
    clocks = [_clock(match) for match in matches]
    minutes = {clock[1] for clock in clocks if clock}
    if None in clocks or len(minutes) != 1:
        return _Found(cron="0 0", rest="?")
    hours = sorted({clock[0] for clock in clocks if clock})
    rest = sentence
    for match in reversed(matches):
        rest = rest[: match.start()] + " " + rest[match.end() :]
    return _Found(cron=f"{minutes.pop()} {','.join(map(str, hours))}", rest=rest)


def _is_time(match: re.Match[str]) -> bool:
    return bool(match["mark"] or match["minute"] or match["half"] or match["at"])


def _clock(match: re.Match[str]) -> tuple[int, int] | None:
    """Hour and minute; None when the hour and its part of the day contradict each other."""
    hour, minute = (
        int(match["hour"]),
        int(match["minute"] or match["zh"] or _PARTS.get(match["part"] or "", 0)),
    )
    period = match["period"] or (match["half"] or "").replace(".", "")
    if match["half"] and not 1 <= hour <= 12:
        return None
    shifted = _in_period(hour, period)
    return (shifted, minute) if shifted is not None and shifted <= 23 and minute <= 59 else None


def _in_period(hour: int, period: str) -> int | None:
    if period in ("下午", "傍晚", "晚上", "pm"):
        if hour == 12:
            return None if period == "晚上" else 12  # 晚上12点: of which day?
        return hour + 12 if hour < 12 else hour
    if period == "中午":
        return hour + 12 if hour < 3 else hour if hour in (11, 12) else None
    if period in ("凌晨", "夜里", "am"):
        return 0 if hour == 12 else hour if hour < 12 else None
    return hour if not period or hour <= 12 else None
