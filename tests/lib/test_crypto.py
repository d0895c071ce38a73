"""Secrets at rest."""

import pytest

from portal.lib import crypto

CONTEXT = "datasources.datasource:1:password:7"


@pytest.fixture
def keys(settings):
    old, new = crypto.generate_key(), crypto.generate_key()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    return old, new


def test_what_was_encrypted_comes_back(keys):
    assert crypto.decrypt(crypto.encrypt("pä55", context=CONTEXT), context=CONTEXT) == "pä55"


def test_ciphertext_does_not_show_the_value(keys):
    assert "plain" not in crypto.encrypt("plain", context=CONTEXT)


def test_ciphertext_moved_to_another_tenant_is_refused(keys):
    token = crypto.encrypt("x", context=CONTEXT)
    with pytest.raises(crypto.BoundElsewhereError, match="another row, field or tenant"):
        crypto.decrypt(token, context="datasources.datasource:1:password:8")


def test_old_ciphertext_opens_with_a_new_first_key(keys, settings):
    old, new = keys
    token = crypto.encrypt("x", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert crypto.decrypt(token, context=CONTEXT) == "x"


def test_the_first_key_encrypts(keys, settings):
    old, new = keys
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    token = crypto.encrypt("x", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert crypto.decrypt(token, context=CONTEXT) == "x"


def test_a_lost_key_is_said_in_a_sentence(keys, settings):
    token = crypto.encrypt("x", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = [keys[1]]
    with pytest.raises(crypto.WrongKeyError, match="key that is not configured"):
        crypto.decrypt(token, context=CONTEXT)


def test_no_key_says_how_to_get_one(settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    with pytest.raises(crypto.NoKeyError, match="rotate_keys --generate"):
        crypto.encrypt("x", context=CONTEXT)


def test_a_malformed_key_is_said_in_a_sentence(settings):
    settings.FIELD_ENCRYPTION_KEYS = ["not-a-key"]
    with pytest.raises(crypto.BadKeyError, match="not a key"):
        crypto.ensure_keys()
