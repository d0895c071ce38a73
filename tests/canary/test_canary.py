"""Two tenants full of canaries: no page shows one tenant's to the other, no forged key writes across."""

import pytest
from django.contrib import admin
from django.urls import get_resolver

from accounts.grants import set_grants
from accounts.scoping import grant_model, grant_models
from tests.canary.rows import Filler, cross_references, dump, tenant_models
from tests.canary.walk import Walker, outside_addresses
from tests.cast import make_cast, make_platform_admin, make_stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return Filler(make_cast("aa"), "A").fill(), Filler(make_cast("bb"), "B").fill()


def drop_own_grants(ours):
    for table in grant_models():
        table._default_manager.filter(user__in=ours.cast.members.values()).delete()


def walk(person, ours, theirs, site=admin.site):
    return Walker(site=site, user=person, own=ours, foreign=theirs)


def test_every_model_with_a_tenant_is_filled(world):
    _ours, theirs = world
    assert {model for model in tenant_models() if model not in theirs.rows} == set()


@pytest.mark.parametrize("role", ["owner", "editor", "operator", "viewer"])
def test_no_page_shows_a_foreign_canary_to_a(world, role):
    ours, theirs = world
    walker = walk(ours.cast.members[role], ours, theirs)
    walker.read_everything()
    assert walker.found == []
    assert len(walker.seen) >= 3, "the walk must see the user's own rows, or it proves nothing"


def test_no_page_shows_a_canary_to_a_stranger(world):
    _ours, theirs = world
    walker = walk(make_stranger(), None, theirs)
    walker.read_everything()
    walker.forge_everything()
    assert walker.found == []


@pytest.mark.parametrize("role", ["owner", "editor", "operator"])
def test_no_forged_key_writes_across_tenants_for_a(world, role):
    ours, theirs = world
    before = dump(theirs.cast.tenant)
    walker = walk(ours.cast.members[role], ours, theirs)
    walker.forge_everything()
    assert walker.found == []
    assert dump(theirs.cast.tenant) == before
    assert cross_references() == []


def test_a_grant_on_one_object_opens_that_object_and_nothing_else(world):
    ours, theirs = world
    drop_own_grants(ours)
    root = make_platform_admin()
    for model, row in list(ours.rows.items()):
        if grant_model(model) is not None:
            set_grants(row, actor=root, user=ours.cast.viewer, verbs=["view", "change"])
    before = dump(theirs.cast.tenant)
    walker = walk(ours.cast.viewer, ours, theirs)
    walker.read_everything()
    walker.forge_everything()
    assert walker.found == []
    assert dump(theirs.cast.tenant) == before


def test_no_address_outside_the_admin_shows_a_foreign_canary(world):
    ours, theirs = world
    walker = walk(ours.cast.owner, ours, theirs)
    keys = sorted({row.pk for row in theirs.rows.values()})
    for address in outside_addresses(get_resolver(), keys, skip={"admin"}):
        walker.get(f"/{address}")
        walker.post(f"/{address}", {"id": keys[0], "pk": keys[0]})
    assert walker.found == []
