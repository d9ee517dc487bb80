"""The portal while the key that opens stored values is lost: it says what is lost, and takes it anew."""

import pytest

from faces.house import GOOD_TOKEN, House, Started
from faces.portal_visit import NAME, Visit
from faces.test_portal_operations import USUAL
from faces.test_portal_tutorial import FORM
from muster.administration import second_factors
from muster.administration.signing_certificates import create_certificate
from muster.model.roles import Role
from muster.sealing import Sealer, SealingError, make_key

LOST = "its sealing key is lost"


def lose_key(house: House) -> None:
    """Opens the store's values with another key from now on."""
    sealer = Sealer(make_key(), tenant=house.stores.secrets._sealer._tenant)
    stores = house.stores
    for sealed in (stores.secrets, stores.second_factors, stores.identity_providers, stores.single_sign_on):
        sealed._sealer = sealer


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
    # Safeguards and rules are kept in the clear, but for what Graph keeps among the secrets.
    guards = f"{path}/provisioning/safeguards"
    assert LOST in visit.text(guards)
    assert visit.post(guards, **{**USUAL, "DeleteGracePeriod": "P7D"}).status_code == 303
    assert 'value="P7D"' in visit.text(guards)
    switched = visit.post(guards, **{**USUAL, "DeleteGracePeriod": "P9D", "skips": "on"})
    assert switched.status_code == 503 and "Put the lost key file back" in switched.text
    assert 'value="P7D"' in visit.text(guards)
    assert visit.post(f"{path}/mappings/0/attributes/title/remove").status_code == 303
    # Nothing is kept by leaving it empty: there is nothing to keep, and nothing was saved.
    refused = visit.post(f"{path}/provisioning", **{**FORM, "secret": ""})
    assert refused.status_code == 400
    assert LOST in visit.text(f"{path}/provisioning")
    assert "The application answers" in visit.post(f"{path}/provisioning/test", **FORM).text
    assert visit.post(f"{path}/provisioning", **FORM).status_code == 303
    assert house.stores.secrets.get(job.sp)["SecretToken"] == GOOD_TOKEN
    assert LOST not in visit.text(path) + visit.text(f"{path}/provisioning")


def test_another_certificate_signs_once_the_key_of_the_first_cannot_be_opened(
    house: House, visit: Visit, job: Started
) -> None:
    first = create_certificate(house.desk, job.sp)
    lose_key(house)
    second = create_certificate(house.desk, job.sp)
    path = f"/applications/{job.sp}/single-sign-on"
    assert first.thumbprint in visit.text(path)
    assert visit.post(f"{path}/certificates", activate=second.key_id).status_code == 303
    signing = house.stores.single_sign_on.active_key(job.sp)
    assert signing is not None and signing[0].key_id == second.key_id
    assert visit.post(f"{path}/certificates", remove=first.key_id).status_code == 303


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


PROVIDER = {
    "display_name": "Elsewhere",
    "discovery_url": "https://id.example.com",
    "client_id": "muster",
    "client_secret": "hush",
    "matched_by": "userPrincipalName",
    "serves_people": "1",
    "keeps_passwords": "1",
    "serves_administrators": "1",
}


def test_administrators_come_in_by_their_passwords_and_enter_the_provider_anew(house: House, visit: Visit) -> None:
    assert visit.post("/identity-provider", **PROVIDER).status_code == 303
    lose_key(house)
    with pytest.raises(SealingError):
        house.stores.identity_providers.get()
    other = Visit(house)
    page = other.text("/sign-in")
    assert "Elsewhere" not in page
    assert other.get("/sign-in/provider").headers["Location"] == "/sign-in"
    assert other.sign_in().status_code == 303
    assert LOST in other.text("/identity-provider")
    assert other.post("/identity-provider", **PROVIDER).status_code == 303
    assert LOST not in other.text("/identity-provider") and "Elsewhere" in Visit(house).text("/sign-in")
    lose_key(house)
    assert other.post("/identity-provider", remove="1").status_code == 303
    assert house.stores.identity_providers.get() is None


def test_a_recovery_code_lets_in_whose_app_is_lost_with_the_key(house: House, visit: Visit) -> None:
    stores, now = house.desk.stores, house.desk.now()
    (holder,) = [each.id for each in stores.access.administrators() if each.display_name == NAME]
    secret = second_factors.begin(stores, holder)
    codes = second_factors.confirm(
        stores, holder, second_factors._codes(secret).generate(int(now.timestamp())).decode(), now
    )
    assert codes is not None
    lose_key(house)
    other = Visit(house)
    assert "/sign-in/code" in other.sign_in().headers["Location"]
    # A code of the app cannot be checked, and lets nobody in.
    fresh = second_factors._codes(secret).generate(int(now.timestamp()) + 30).decode()
    assert other.post("/sign-in/code", token=other.token("/sign-in/code"), code=fresh).status_code == 401
    assert other.post("/sign-in/code", token=other.token("/sign-in/code"), code=codes[0]).status_code == 303
    assert other.get("/account").status_code == 200
    # It is taken off by another of the codes, and made anew.
    assert other.post("/account/app/remove", proof=codes[1]).status_code == 303
    assert other.post("/account/app/begin").status_code == 303
    lose_key(house)
    assert other.get("/account").status_code == 200
    assert other.post("/account/app/begin").status_code == 303
