"""The portal while the key that opens stored values is lost: it says what is lost, and takes it anew."""

import pytest

from faces.house import GOOD_TOKEN, House, Started
from faces.portal_visit import Visit
from faces.test_portal_tutorial import FORM
from muster.model.roles import Role
from muster.sealing import Sealer, make_key

LOST = "its sealing key is lost"


def lose_key(house: House) -> None:
    """Opens the store's values with another key from now on."""
    secrets = house.stores.secrets
    secrets._sealer = Sealer(make_key(), tenant=secrets._sealer._tenant)


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def test_an_application_says_what_is_lost_and_takes_it_anew(house: House, visit: Visit, job: Started) -> None:
    path = f"/applications/{job.sp}"
    before = dict(house.stores.secrets.get(job.sp))
    assert LOST not in visit.text(path) + visit.text(f"{path}/provisioning")
    lose_key(house)
    for page in (path, f"{path}/provisioning"):
        shown = visit.text(page)
        assert LOST in shown
        assert all(f"<code>{name}</code>" in shown for name in before)
    for page in ("/", "/applications", f"{path}/users-and-groups", f"{path}/provisioning/accounts"):
        assert visit.get(page).status_code == 200, page
    # Nothing is kept by leaving it empty: there is nothing to keep, and nothing was saved.
    refused = visit.post(f"{path}/provisioning", **{**FORM, "secret": ""})
    assert refused.status_code == 400
    assert LOST in visit.text(f"{path}/provisioning")
    assert "The application answers" in visit.post(f"{path}/provisioning/test", **FORM).text
    assert visit.post(f"{path}/provisioning", **FORM).status_code == 303
    assert house.stores.secrets.get(job.sp)["SecretToken"] == GOOD_TOKEN
    assert LOST not in visit.text(path) + visit.text(f"{path}/provisioning")


def test_a_source_says_what_is_lost_and_takes_it_anew(house: House, visit: Visit) -> None:
    form = {
        "c-Server": "ldaps://people.example",
        "c-UserBase": "dc=example",
        "c-UserName": "cn=muster",
        "c-Password": "hush",
    }
    added = visit.post("/sources/new/ldap", name="Old servers", **form)
    path = added.headers["Location"].partition("?")[0]
    sp = path.split("/")[2]
    before = dict(house.stores.secrets.get(sp))
    assert before["Password"] == "hush" and LOST not in visit.text(path)
    lose_key(house)
    assert LOST in visit.text(path) and "people.example" not in visit.text(path)
    assert visit.post(path, **{**form, "c-Server": ""}).status_code == 400
    assert visit.post(path, **form).status_code == 303
    assert dict(house.stores.secrets.get(sp)) == before
    assert LOST not in visit.text(path)
