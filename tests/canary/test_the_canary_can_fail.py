"""A leaky page must be found, or the canary test proves nothing."""

import pytest

from tests.canary import leaky_urls
from tests.canary.rows import Filler, dump
from tests.canary.walk import Walker
from tests.cast import make_cast

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.canary.leaky_urls")]


@pytest.fixture
def walker():
    ours, theirs = Filler(make_cast("aa"), "A").fill(), Filler(make_cast("bb"), "B").fill()
    return Walker(site=leaky_urls.site, user=ours.cast.viewer, own=ours, foreign=theirs)


def test_a_leaky_page_is_found_by_reading(walker):
    walker.read_everything()
    assert any("showed" in finding for finding in walker.found)
    assert any("not [404]" in finding for finding in walker.found)


def test_a_leaky_page_is_found_by_forged_writes(walker):
    before = dump(walker.foreign.cast.tenant)
    walker.forge_everything()
    assert dump(walker.foreign.cast.tenant) != before
