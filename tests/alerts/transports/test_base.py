"""The family of transports: what each must have, and that nothing but DeliveryError gets out."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from alerts.transports import TRANSPORTS, DeliveryError, Receipt, Refusal, Transport, deliver
from alerts.transports.base import NoSecrets, recipients_of
from alerts.transports.masking import masker
from portal.lib.paramforms import form_fields, shown
from portal.lib.text import SIZES
from tests.alerts.transports.messages import message

SECRET = "very-secret-value"


class Kept(NoSecrets):
    key: str = ""


class Failing(Transport):
    kind = "failing"
    label = "Failing"
    Params = NoSecrets
    SECRETS = Kept

    def send(self, params, secrets, message, to):
        if to:
            return Receipt(
                remote_id=secrets.key, refused=(Refusal(recipient="x", sentence=secrets.key, is_permanent=True),)
            )
        raise RuntimeError(f"unforeseen {secrets.key}")


@pytest.mark.parametrize("transport", list(TRANSPORTS), ids=TRANSPORTS.kinds())
def test_each_kind_says_what_a_form_and_a_sender_need(transport):
    assert str(transport.label) and transport.icon
    assert issubclass(transport.Params, BaseModel) and issubclass(transport.SECRETS, BaseModel)
    assert transport.unit in SIZES
    assert not transport.has_recipients or transport.addresses or transport.kind == "inbox"  # people have no address
    for model in (transport.Params, transport.SECRETS):
        for name, info in model.model_fields.items():
            assert str(shown(info).label), name
            assert shown(info).secret == (model is transport.SECRETS), name
        assert set(form_fields(model)) == set(model.model_fields)


@pytest.mark.parametrize("transport", list(TRANSPORTS), ids=TRANSPORTS.kinds())
def test_stored_settings_that_no_longer_fit_are_one_sentence(transport):
    with pytest.raises(DeliveryError, match="can't be used") as caught:
        transport.deliver({"gone": 1}, {}, message())
    assert caught.value.is_permanent


def test_a_kind_that_is_not_installed_is_said():
    with pytest.raises(DeliveryError, match="does not know channels of kind “pigeon”"):
        deliver("pigeon", {}, {}, message())


def test_a_defect_of_a_transport_is_tried_again_and_shows_no_secret(caplog):
    with pytest.raises(DeliveryError, match="itself failed") as caught:
        Failing().deliver({}, {"key": SECRET}, message())
    assert not caught.value.is_permanent
    assert caught.value.__context__ is None
    assert SECRET not in caplog.text + str(caught.value)


def test_receipts_show_no_secret():
    receipt = Failing().deliver({}, {"key": SECRET}, message(), ("x",))
    assert SECRET not in repr(receipt)


def test_a_secret_address_is_masked_also_in_parts():
    mask = masker({"webhook_url": "https://hooks.example.com/services/T0001/abcdefgh12345?key=zyxwvu98765&mode=full"})
    words = mask("no such key zyxwvu98765 for abcdefgh12345 at hooks.example.com, mode=full")
    assert words == "no such key •••••• for •••••• at hooks.example.com, mode=full"


def test_each_recipient_gets_it_once_and_nobody_is_said():
    assert recipients_of(("a", "b", "a"), None) == ("a", "b")
    assert recipients_of(("a",), ("c",)) == ("c",)
    with pytest.raises(DeliveryError, match="no recipient"):
        recipients_of((), None)
    with pytest.raises(DeliveryError, match="no recipient"):
        recipients_of(("a",), ())
