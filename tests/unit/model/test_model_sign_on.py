"""What signing in says of itself: how applications are signed in to, and who vouches for people."""

import pytest

from muster.model.configuration_sign_on import OpenIdClaimGiven, SamlSignOn
from muster.model.exchange import TrustFailed
from muster.model.identity_provider import DISCOVERY_PATH, FederationRefused, IdentityProvider
from muster.model.language import Language
from muster.model.openid import OpenIdSettings
from muster.model.single_sign_on import SamlSettings


def test_people_are_signed_in_once_it_is_enabled_and_somewhere_to_send_them_is_known() -> None:
    saml = SamlSettings(is_enabled=True, identifier="urn:x", reply_urls=("https://x.example/acs",))
    openid = OpenIdSettings(is_enabled=True, redirect_uris=("https://x.example/back",))
    assert saml.is_complete and openid.is_complete
    assert not SamlSettings(is_enabled=True, identifier="urn:x").is_complete
    assert not OpenIdSettings(is_enabled=True).is_complete


@pytest.mark.parametrize("issuer", ["https://idp.example", "https://idp.example/tenant"])
def test_the_issuer_is_the_discovery_address_without_its_path(issuer: str) -> None:
    provider = IdentityProvider(display_name="IdP", discovery_url=f"{issuer}{DISCOVERY_PATH}", client_id="c")
    assert provider.issuer == issuer


def test_a_refusal_says_whether_another_attempt_may_do() -> None:
    away = FederationRefused("Nobody answered.", is_away=True)
    assert (away.sentence, str(away), away.is_away, away.is_unasked) == (*["Nobody answered."] * 2, True, False)


def test_trust_that_failed_says_what_to_do() -> None:
    failure = TrustFailed("Its certificate has expired.", sent=False, remedy="Renew it.")
    assert (failure.sentence, failure.sent, failure.remedy) == ("Its certificate has expired.", False, "Renew it.")


def test_a_null_of_a_configuration_is_written_again_and_what_was_not_said_is_not() -> None:
    read = SamlSignOn.model_validate({"identifier": "urn:x", "relayState": None})
    assert read.model_dump(by_alias=True, exclude_none=True) == {"identifier": "urn:x", "relayState": None}


@pytest.mark.parametrize("claim", ["[mail]", {"expression": "[mail]", "scope": "email"}])
def test_a_claim_is_written_as_it_was_given(claim: object) -> None:
    assert OpenIdClaimGiven.model_validate(claim).model_dump(exclude_none=True) == claim


def test_each_language_is_named_as_its_speakers_do() -> None:
    assert [language.own_name for language in Language] == ["English", "Nederlands"]
