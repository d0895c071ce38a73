"""DingTalk, WeCom, Feishu, Slack, Teams: a no in an answer of 200, signatures, texts that mention nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts.transports import dingtalk, feishu
from tests.alerts.transports.messages import ACK, message
from tests.alerts.transports.test_web import OK_OF, TOKEN, failure, send, settings_of
from tests.alerts.transports.webserver import Answer

SECRET = "SECabcdef0123456789"
HOSTILE = "<!channel> <@U1> <at id=all></at> [x](http://evil.example) **b** @all &lt; \u202e"


def say(**content):
    return Answer.of(content)


@pytest.mark.parametrize(
    ("kind", "answer", "is_permanent"),
    [
        ("dingtalk", say(errcode=310000, errmsg="sign not match"), True),
        ("dingtalk", say(errcode=300005, errmsg="token is not exist"), True),
        ("dingtalk", say(errcode=130101, errmsg="send too fast"), False),
        ("dingtalk", say(errcode=-1, errmsg="system busy"), False),
        ("dingtalk", say(errcode=999, errmsg="new"), False),
        ("dingtalk", say(errcode="0", errmsg="text"), False),
        ("wecom", say(errcode=93000, errmsg="invalid webhook url"), True),
        ("wecom", say(errcode=45009, errmsg="api freq out of limit"), False),
        ("feishu", say(code=19021, msg="sign match fail or timestamp is not within one hour"), True),
        ("feishu", Answer.of({"code": 9499, "msg": "Bad Request"}, 400), True),
        ("feishu", say(code=11232, msg="frequency limit"), False),
        ("slack", Answer(body=b"no_service", status=404), True),
        ("slack", Answer(body=b"channel_is_archived", status=410), True),
        ("slack", Answer(body=b"rollup_error", status=500), False),
        ("slack", say(ok=False, error="invalid_auth"), True),
        ("slack", say(ok=False, error="ratelimited"), False),
        ("slack", Answer(body=b"<html>log in</html>"), False),
        ("teams", Answer(body=b"Webhook message delivery failed with error: ... HTTP error 429 with ..."), False),
        ("teams", Answer(body=b"Webhook message delivery failed with error: ... HTTP error 413 with ..."), True),
        ("teams", Answer(body=b"Summary or Text is required.", status=400), True),
    ],
)
def test_a_no_in_the_answer_is_a_failure(kind, answer, is_permanent, web):
    web.answers = [answer]
    error = failure(kind, web)
    assert error.is_permanent == is_permanent
    assert len(error.sentence) < 400 and TOKEN not in error.sentence


def test_a_known_refusal_says_what_to_do(web):
    web.answers = [say(errcode=310000, errmsg="sign not match\nmore")]
    assert failure("dingtalk", web).sentence == (
        "DingTalk did not take the message (310000: sign not match more). Compare key words, signing secret and "
        "allowed addresses with the robot's security settings."
    )


def test_a_limit_of_the_service_is_waited_for(web):
    web.answers = [say(errcode=130101, errmsg="too fast")]
    assert failure("dingtalk", web).retry_after == timedelta(minutes=1)


@pytest.mark.parametrize("answer", [Answer(body=b"ok\n"), say(ok=True), say(success=True)])
def test_who_speaks_as_slack_does_is_understood(answer, web):
    web.answers = [answer]
    send("slack", web)


def test_an_older_teams_webhook_says_one(web):
    web.answers = [Answer(body=b"1")]
    send("teams", web)


def test_dingtalk_is_signed_as_its_server_checks(web):
    web.answers = [OK_OF["dingtalk"]]
    params, secrets = settings_of("dingtalk", web.url)
    dingtalk.DingTalk().deliver(params, {**secrets, "signing_secret": SECRET}, message())
    query = {name: values[0] for name, values in parse_qs(urlsplit(web.asked[0].path).query).items()}
    text = f"{query['timestamp']}\n{SECRET}"
    wanted = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()
    assert (query["sign"], query["key"]) == (wanted, TOKEN)


def test_feishu_is_signed_as_its_server_checks(web):
    web.answers = [OK_OF["feishu"]]
    params, secrets = settings_of("feishu", web.url)
    feishu.Feishu().deliver(params, {**secrets, "signing_secret": SECRET}, message())
    body = web.asked[0].json
    key = f"{body['timestamp']}\n{SECRET}".encode()
    assert body["sign"] == base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()


def test_people_of_a_group_are_mentioned_by_number(web):
    web.answers = [OK_OF["dingtalk"]]
    send("dingtalk", web, mobiles=["+86 138-0013-8000"])
    send("wecom", web, to=("+8613900139000",), mobiles=["13800138000"], mention_all=True)
    assert web.asked[0].json["at"] == {"atMobiles": ["13800138000"], "isAtAll": False}
    assert web.asked[0].json["text"]["content"].endswith("@13800138000")
    assert web.asked[1].json["text"]["mentioned_mobile_list"] == ["13900139000", "@all"]


@pytest.mark.parametrize("kind", ["dingtalk", "wecom"])
def test_plain_text_kinds_hold_subject_body_and_links(kind, web):
    web.answers = [OK_OF[kind]]
    send(kind, web)
    text = web.asked[0].json["text"]["content"]
    assert text.startswith("Unpaid orders fires\n\n42 rows came back.")
    assert f"Acknowledge:\n{ACK}" in text and web.asked[0].json["msgtype"] == "text"


def test_no_value_can_mention_or_link_in_feishu_slack_and_teams(web):
    for kind in ("feishu", "slack", "teams"):
        web.answers = [OK_OF[kind]]
        send(kind, web, message(subject=HOSTILE, body=HOSTILE))
    card, blocks, teams = (one.json for one in web.asked)
    assert {part["text"]["tag"] for part in card["card"]["elements"] if "text" in part} == {"plain_text"}
    assert card["card"]["header"]["title"]["tag"] == "plain_text"
    assert {block["text"]["type"] for block in blocks["blocks"] if "text" in block} == {"plain_text"}
    assert "<" not in blocks["text"] and "&lt;!channel&gt;" in blocks["text"]
    shown = teams["attachments"][0]["content"]["body"]
    assert {part["type"] for part in shown} == {"RichTextBlock"}


def test_links_become_buttons_and_only_web_addresses(web):
    evil = message(url="javascript:alert(1)", actions=())
    for kind in ("feishu", "slack", "teams"):
        web.answers = [OK_OF[kind]]
        send(kind, web)
        send(kind, web, evil)
        good, bad = web.asked[-2].body.decode(), web.asked[-1].body.decode()
        assert ACK in good and "javascript" not in bad


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("dingtalk", 20_000), ("wecom", 4_600), ("feishu", 20_000), ("slack", 60_000), ("teams", 28_000)],
)
@pytest.mark.parametrize("letter", ["x", "中", '"', "\n", "e\u0301", "😀", "a\n"])
def test_a_long_text_is_cut_to_what_the_service_takes_and_says_so(kind, limit, letter, web):
    web.answers = [OK_OF[kind]]
    receipt = send(kind, web, message(body=letter * 300_000 + "end", subject="s" * 5000))
    body = web.asked[0].body
    assert receipt.is_cut
    assert len(body) <= limit
    assert json.loads(body)
    assert "end" not in json.dumps(web.asked[0].json)[-200:].replace("append", "")


def test_the_links_stay_when_the_text_is_cut(web):
    web.answers = [OK_OF["wecom"]]
    send("wecom", web, message(body="中" * 5000))
    content = web.asked[0].json["text"]["content"]
    assert len(content.encode()) <= 2048
    assert content.endswith(ACK) and "… (cut: it has 5000 characters)" in content


def test_slack_sections_hold_what_slack_takes(web):
    web.answers = [OK_OF["slack"]]
    send("slack", web, message(body="\n".join(["word " * 20] * 100)))
    texts = [block["text"]["text"] for block in web.asked[0].json["blocks"] if block["type"] == "section"]
    assert len(texts) > 1 and max(map(len, texts)) <= 3000 and all(text.strip() for text in texts)
