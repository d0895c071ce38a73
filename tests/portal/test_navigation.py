"""The sidebar marks where one is."""

import pytest

from portal.navigation import _mark_active


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("/admin/", ["/admin/"]),
        ("/admin/jobs/job/7/change/", ["/admin/jobs/job/"]),
        ("/admin/jobs/job/fires/", ["/admin/jobs/job/fires/"]),
        ("/admin/password_change/", []),
    ],
)
def test_one_entry_is_marked_the_nearest(path, marked):
    items = [{"link": link} for link in ("/admin/", "/admin/jobs/job/", "/admin/jobs/job/fires/")]
    _mark_active(items, path)
    assert [item["link"] for item in items if item["active"]] == marked
