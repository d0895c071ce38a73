"""SMS vendors: signatures against published examples, refusals of single numbers, parts of a message in templates."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from alerts.transports import DeliveryError, aliyun_sms, tencent_sms
from alerts.transports.sms import part_of
from tests.alerts.transports.messages import message
from tests.alerts.transports.test_web import OK_OF, PHONE, TOKEN, failure, send
from tests.alerts.transports.webserver import Answer

OTHER = "+8613900139000"


def test_aliyun_signs_as_in_its_published_example():
    headers = aliyun_sms.signed_headers(
        aliyun_sms.Call(
            action="RunInstances",
            version="2014-05-26",
            at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
            nonce="3156853299f313e23d1673dc12e1703d",
        ),
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
        host="ecs.cn-shanghai.aliyuncs.com",
        key_id="YourAccessKeyId",
        secret="YourAccessKeySecret",
    )
    assert headers["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_tencent_signs_as_in_its_published_example():
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    assert tencent_sms.authorization(
        body,
        service="cvm",
        host="cvm.tencentcloudapi.com",
        key_id="AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******",
        secret="Gu5t9xGARNpq86cd98joQYCN3*******",
        at=datetime.fromtimestamp(1551113065, UTC),
    ) == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"
    )


def aliyun_verifier(asked):
    """Checks a request as the vendor does: from what came over the wire alone."""
    address = urlsplit(asked.path)
    _scheme, fields = asked.headers["authorization"].split(" ", 1)
    parts = dict(part.split("=", 1) for part in fields.split(","))
    names = parts["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{asked.headers[name]}\n" for name in names)
    canonical = (
        f"POST\n{address.path}\n{address.query}\n{lines}\n{parts['SignedHeaders']}\n"
        f"{hashlib.sha256(asked.body).hexdigest()}"
    )
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(TOKEN.encode(), to_sign.encode(), hashlib.sha256).hexdigest() == parts["Signature"]


def test_aliyun_over_the_wire_is_signed_and_sorted(web):
    web.answers = [OK_OF["aliyun_sms"]]
    receipt = send("aliyun_sms", web, message(subject="订单 & ~*未付"), variables={"name": "subject", "n": "value"})
    asked = web.asked[0]
    assert aliyun_verifier(asked)
    query = [part.split("=") for part in urlsplit(asked.path).query.split("&")]
    assert [name for name, _value in query] == sorted(name for name, _value in query)
    values = {name: unquote(value) for name, value in query}
    assert json.loads(values["TemplateParam"]) == {"name": "订单 & ~*未付", "n": "42"}
    assert (values["PhoneNumbers"], values["OutId"]) == ("8613800138000", "delivery-0001")
    assert receipt.remote_id == "B1"


def test_tencent_over_the_wire_is_signed(web):
    web.answers = [OK_OF["tencent_sms"]]
    receipt = send("tencent_sms", web, variables=["subject", "severity"])
    asked = web.asked[0]
    at = datetime.fromtimestamp(int(asked.headers["x-tc-timestamp"]), UTC)
    wanted = tencent_sms.authorization(
        asked.body, service="sms", host=asked.headers["host"], key_id="SID", secret=TOKEN, at=at
    )
    assert asked.headers["authorization"] == wanted
    assert asked.json["TemplateParamSet"] == ["Unpaid orders fires", "critical"]
    assert (asked.json["SessionContext"], receipt.remote_id) == ("delivery-0001", "S1")


@pytest.mark.parametrize(
    ("kind", "answer", "is_permanent"),
    [
        ("aliyun_sms", Answer.of({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控"}), False),
        ("aliyun_sms", Answer.of({"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "x"}), True),
        ("aliyun_sms", Answer.of({"Code": "SignatureDoesNotMatch", "Message": "x"}, 403), True),
        ("aliyun_sms", Answer.of({"Code": "Throttling.User", "Message": "x"}, 400), False),
        ("aliyun_sms", Answer.of({"Code": "Invalid.New", "Message": "x"}, 400), True),
        ("aliyun_sms", Answer.of({"Code": "isp.SYSTEM_ERROR", "Message": "x"}), False),
        ("tencent_sms", Answer.of({"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound"}}}), True),
        ("tencent_sms", Answer.of({"Response": {"Error": {"Code": "AuthFailure.SignatureExpire"}}}), False),
        ("tencent_sms", Answer.of({"Response": {"Error": {"Code": "LimitExceeded.PhoneNumberDailyLimit"}}}), False),
        ("tencent_sms", Answer.of({"Response": {"Error": {"Code": "InternalError.Timeout"}}}), False),
        ("twilio", Answer.of({"code": 21211, "message": "no number", "status": 400}, 400), True),
        ("twilio", Answer.of({"code": 20003, "message": "Authenticate", "status": 401}, 401), True),
        ("twilio", Answer.of({"code": 99999, "message": "new", "status": 400}, 400), True),
        ("twilio", Answer.of({"sid": "SM1", "status": "failed", "error_code": 30007}, 201), False),
        ("twilio", Answer.of({"status": "queued"}, 201), False),
    ],
)
def test_a_no_of_the_vendor_is_a_failure(kind, answer, is_permanent, web):
    web.answers = [answer]
    assert failure(kind, web).is_permanent == is_permanent


def test_tencent_tells_of_each_number(web):
    good = {"Code": "Ok", "SerialNo": "S1", "PhoneNumber": PHONE}
    bad = {"Code": "LimitExceeded.PhoneNumberOneHourLimit", "PhoneNumber": OTHER, "Message": "too many"}
    web.answers = [Answer.of({"Response": {"SendStatusSet": [good, bad]}})]
    receipt = send("tencent_sms", web, recipients=[PHONE, OTHER])
    assert receipt.to_retry == (OTHER,)
    web.answers = [Answer.of({"Response": {"SendStatusSet": [bad]}})]
    assert not failure("tencent_sms", web, recipients=[OTHER]).is_permanent


def test_twilio_sends_to_each_number_and_tells_who_did_not_get_it(web):
    no = Answer.of({"code": 21610, "message": "unsubscribed"}, 400)
    web.answers = [OK_OF["twilio"], no]
    receipt = send("twilio", web, recipients=[PHONE, OTHER])
    assert [one.recipient for one in receipt.refused] == [OTHER] and receipt.to_retry == ()
    form = parse_qs(web.asked[0].body.decode())
    assert form["To"] == [PHONE] and form["Body"][0].startswith("Unpaid orders fires")
    login = base64.b64decode(web.asked[0].headers["authorization"].removeprefix("Basic ")).decode()
    assert login == f"AC0123456789abcdef:{TOKEN}"


def test_a_vendor_that_is_away_is_not_waited_for_once_per_number(web):
    web.answers = [Answer(status=503)]
    failure("twilio", web, recipients=[PHONE, OTHER])
    assert len(web.asked) == 1


@pytest.mark.parametrize("kind", ["twilio", "aliyun_sms", "tencent_sms"])
def test_a_number_that_is_none_is_said(kind, web):
    web.answers = [OK_OF[kind]]
    with pytest.raises(DeliveryError, match="“li wei” is no telephone number") as caught:
        send(kind, web, to=("li wei",))
    assert caught.value.is_permanent and not web.asked
    receipt = send(kind, web, to=("li wei", PHONE))
    assert [one.recipient for one in receipt.refused] == ["li wei"]


@pytest.mark.parametrize("kind", ["twilio", "aliyun_sms", "tencent_sms"])
def test_nobody_to_send_to_is_said(kind, web):
    assert "no recipient" in failure(kind, web, recipients=[]).sentence


def test_values_of_templates_are_short_lines_and_never_empty():
    sent = message(body="first\nsecond " + "x" * 100, facts={"empty": "", "deep": {"a": 1}, "value": 1.5})
    assert part_of(sent, "body", 20) == "first second xxxxxx…"
    assert [part_of(sent, name, 20) for name in ("empty", "deep", "missing", "value")] == ["-", "-", "-", "1.5"]
    assert part_of(sent, "at", 20) == "2026-11-21 09:00"


def test_a_long_sms_is_cut(web):
    web.answers = [OK_OF["twilio"]]
    assert send("twilio", web, message(body="x" * 5000), longest=200).is_cut
    assert len(parse_qs(web.asked[0].body.decode())["Body"][0]) <= 200
