"""The HTML of a mail that brings none of its own: the text as it is, with buttons for the links. PURE."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from alerts.transports.message import Message
from alerts.transports.texts import links_of

COLOURS = {"critical": "#b91c1c", "warning": "#b45309", "info": "#1d4ed8"}
FONT = "font-family:system-ui,-apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',sans-serif"

MONO = "font-family:ui-monospace,Menlo,Consolas,'Sarasa Mono SC',monospace"  # tables and logs stand in columns


def page_of(message: Message) -> str:
    """One column, no image, nothing loaded from elsewhere; every value is escaped."""
    buttons = format_html_join(
        " ",
        '<a href="{}" style="display:inline-block;margin:0 8px 8px 0;padding:10px 16px;border-radius:6px;'
        'background:{};color:#ffffff;text-decoration:none">{}</a>',
        ((url, COLOURS.get(message.severity, COLOURS["info"]), label) for label, url in links_of(message)),
    )
    return str(_whole(message, buttons))


def _whole(message: Message, buttons: SafeString) -> SafeString:
    return format_html(
        '<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{subject}</title></head>'
        '<body style="margin:0;padding:16px;background:#ffffff;color:#111827;{font}">'
        '<div style="max-width:720px;margin:0 auto;border-top:4px solid {colour};padding-top:12px">'
        '<h1 style="font-size:18px;margin:0 0 12px">{subject}</h1>'
        '<div style="white-space:pre-wrap;{mono};font-size:13px;line-height:1.5;overflow-wrap:anywhere">{body}</div>'
        '<p style="margin:20px 0 0">{buttons}</p></div></body></html>',
        language=message.language,
        subject=message.subject,
        font=FONT,
        mono=MONO,
        colour=COLOURS.get(message.severity, COLOURS["info"]),
        body=message.body,
        buttons=buttons,
    )
