"""Triggers in Chinese. PURE."""

from collections.abc import Iterable
from datetime import datetime

from jobs.scheduling.rhythm import Days, Series, Times

WEEKDAYS = ("", "周一", "周二", "周三", "周四", "周五", "周六", "周日")
ORDINALS = ("", "一", "二", "三", "四", "五")
UNITS = {"w": "周", "d": "天", "h": "小时", "m": "分钟", "s": "秒"}


def cron(times: Times, days: Days) -> str:
    day = _days(days)
    if times.clocks:
        return f"{day or '每天'} {_list(times.clocks)}"
    hours, beat = _hours(times), _beat(times)
    if hours and not day:
        day = "每天"
    lead = " ".join(part for part in (day, hours) if part)
    return f"{lead}，{beat}" if lead else beat


def interval(parts: list[tuple[int, str]]) -> str:
    if len(parts) == 1:
        return _every(parts[0][0], UNITS[parts[0][1]])
    return "每 " + " ".join(f"{count} {UNITS[unit]}" for count, unit in parts)


def once(wall: datetime) -> str:
    time = wall.strftime("%H:%M:%S" if wall.second else "%H:%M")
    return f"{wall.year}年{wall.month}月{wall.day}日 {time} 执行一次"


def workday(days: tuple[int, ...], clocks: list[str]) -> str:
    if not days:
        return f"每个工作日 {_list(clocks)}"
    named = [f"第 {n} 个" for n in days if n > 0]
    named += ["最后一个" if n == -1 else f"倒数第 {-n} 个" for n in sorted(days) if n < 0]
    return f"每月{_list(named)}工作日 {_list(clocks)}"


def _hours(times: Times) -> str:
    """The hours that limit a rhythm; empty when there is no limit or the rhythm itself names them."""
    hours = times.hours
    if hours.is_all or _is_hour_beat(times):
        return ""
    if times.window:
        return f"{times.window[0]} 至 {times.window[1]}"
    return f"{'、'.join(map(str, hours.values))} 点"


def _is_hour_beat(times: Times) -> bool:
    return times.seconds.step is None and times.minutes.step is None and times.hours.is_whole


def _beat(times: Times) -> str:
    if times.seconds.step:
        return _beat_of_seconds(times.seconds, times.minutes)
    minutes = times.minutes
    suffix = "" if times.seconds.values == (0,) else f"第 {_numbers(times.seconds)} 秒"
    if minutes.step:
        text = _every(minutes.step, "分钟")
        if not minutes.is_whole:
            text = f"每小时的第 {minutes.first} 至 {minutes.last} 分，{text}"
        return f"{text}的{suffix}" if suffix else text
    text = _every(times.hours.step or 1 if _is_hour_beat(times) else 1, "小时")
    if minutes.values != (0,) or suffix:
        text += f"的第 {_numbers(minutes)} 分{suffix}"
    return text


def _beat_of_seconds(seconds: Series, minutes: Series) -> str:
    text = _every(seconds.step or 1, "秒")
    if not seconds.is_whole:
        text = f"第 {seconds.first} 至 {seconds.last} 秒，{text}"
    if minutes.is_all:
        return text if seconds.is_whole else f"每分钟的{text}"
    if minutes.is_whole and minutes.step:
        return f"每 {minutes.step} 分钟的第一分钟内，{text}"
    return f"每小时的第 {_numbers(minutes)} 分，{text}"


def _days(days: Days) -> str:
    """On which days, months and years included; empty when every day will do."""
    number, scope = _number(days), _scope(days)
    if not days.has_weekday:
        if number:
            return f"{scope or '每月'}{number}"
        return f"{scope}每天" if scope else ""
    if not number:
        return scope + _on_weekdays(days)
    if days.is_both:
        return f"{scope or '每月'}{number}且为{_list(_weekday_names(days), '或')}"
    return f"{scope or '每月'}{number}以及{scope if days.months else ''}{_on_weekdays(days)}"


def _scope(days: Days) -> str:
    """Years and months: 每年1月, 2027年, 2027年1月的; empty when neither is limited. A day may follow."""
    if not days.months:
        return f"{_years(days)}每月" if days.years and days.has_number else _years(days)
    months = days.months
    text = f"{months.first}月至{months.last}月" if months.step == 1 else _list(f"{month}月" for month in months.values)
    is_date = len(months.values) == 1 and days.has_number and not days.has_weekday
    return f"{_years(days) or '每年'}{text}" + ("" if is_date else "的")


def _years(days: Days) -> str:
    if not days.years:
        return ""
    if days.years.step == 1:
        return f"{days.years.first}至{days.years.last}年"
    return f"{_list(map(str, days.years.values))}年"


def _number(days: Days) -> str:
    parts = []
    if days.numbers:
        parts.append(_day_numbers(days.numbers))
    if days.is_last:
        parts.append("最后一天")
    if days.is_last_weekday:
        parts.append("最后一个工作日（周一至周五）")
    return _list(parts)


def _day_numbers(numbers: Series) -> str:
    if numbers.step == 1:
        return f"{numbers.first}日至{numbers.last}日"
    if numbers.step:
        return f"{numbers.first}日至{numbers.last}日之间每 {numbers.step} 天"
    return _list(f"{number}日" for number in numbers.values)


def _on_weekdays(days: Days) -> str:
    """每周一, 每月第二个周一; behind a scope of months the month is not said again."""
    parts = []
    if days.weekdays:
        parts.append(f"每{_plain_weekdays(days.weekdays)}")
    special = _special_weekdays(days)
    if special:
        parts.append(("" if days.months else "每月") + _list(special))
    return "以及".join(parts)


def _plain_weekdays(weekdays: tuple[int, ...]) -> str:
    if len(weekdays) > 2 and weekdays[-1] - weekdays[0] == len(weekdays) - 1:
        return f"{WEEKDAYS[weekdays[0]]}至{WEEKDAYS[weekdays[-1]]}"
    return _list(WEEKDAYS[day] for day in weekdays)


def _special_weekdays(days: Days) -> list[str]:
    names = [f"第{ORDINALS[n]}个{WEEKDAYS[day]}" for day, n in days.nth]
    return names + [f"最后一个{WEEKDAYS[day]}" for day in days.last_of]


def _weekday_names(days: Days) -> list[str]:
    return [WEEKDAYS[day] for day in days.weekdays] + [f"当月{name}" for name in _special_weekdays(days)]


def _numbers(numbers: Series) -> str:
    return f"{numbers.first} 至 {numbers.last}" if numbers.step == 1 else _list(map(str, numbers.values))


def _every(count: int, unit: str) -> str:
    return f"每{unit}" if count == 1 else f"每 {count} {unit}"


def _list(parts: Iterable[str], mark: str = "、") -> str:
    return mark.join(parts)
