"""The base admin alone keeps tenants apart, whatever an app's page switches on."""

import pytest

from tests.canary import generated_urls
from tests.canary.rows import Filler, cross_references, dump
from tests.canary.walk import Walker
from tests.cast import make_cast, make_platform_admin, make_stranger

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.canary.generated_urls")]


@pytest.fixture
def world():
    return Filler(make_cast("aa"), "A").fill(), Filler(make_cast("bb"), "B").fill()


@pytest.mark.parametrize("role", ["owner"])
def test_reading_everything_shows_own_rows_only(world, role):
    ours, theirs = world
    walker = Walker(site=generated_urls.site, user=ours.cast.members[role], own=ours, foreign=theirs)
    walker.read_everything()
    assert walker.found == []
    assert len(walker.seen) > 20


@pytest.mark.parametrize("role", ["owner", "editor"])
def test_forging_everything_writes_nothing_foreign(world, role):
    ours, theirs = world
    before = dump(theirs.cast.tenant)
    walker = Walker(site=generated_urls.site, user=ours.cast.members[role], own=ours, foreign=theirs)
    walker.forge_everything()
    assert walker.found == []
    assert dump(theirs.cast.tenant) == before
    assert cross_references() == []


def test_a_stranger_sees_and_writes_nothing(world):
    _ours, theirs = world
    before = dump(theirs.cast.tenant)
    walker = Walker(site=generated_urls.site, user=make_stranger(), foreign=theirs)
    walker.read_everything()
    walker.forge_everything()
    assert walker.found == []
    assert dump(theirs.cast.tenant) == before


def test_a_platform_admin_opens_every_form(world):
    ours, theirs = world
    walker = Walker(site=generated_urls.site, user=make_platform_admin(), own=ours, foreign=theirs)
    for model in generated_urls.REGISTERED:
        answer = walker.get(f"{walker.base(model)}{theirs.rows[model].pk}/change/")
        assert answer is not None and answer.status_code == 200, walker.found
