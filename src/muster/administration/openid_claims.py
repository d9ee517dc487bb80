"""What an application is told of a person by OpenID Connect."""

from typing import Any

from muster.administration.my_apps import assignments_of
from muster.administration.signing_in import Reception
from muster.expression.evaluate import Environment, EvaluationError, FlowMarker, evaluate
from muster.expression.syntax import parse_expression
from muster.model.application import EnterpriseApplication
from muster.model.directory import DirectoryObject, original_principal_name
from muster.model.openid import OpenIdSettings


class ClaimRefused(Exception):
    """A claim cannot be made for this person; the sentence is for the log, the claim's name for the application."""

    def __init__(self, claim: str, sentence: str) -> None:
        super().__init__(sentence)
        self.claim = claim


def claims_of(
    reception: Reception,
    application: EnterpriseApplication,
    settings: OpenIdSettings,
    person: DirectoryObject,
    scope: str,
    tenant_id: str,
) -> dict[str, Any]:
    """Returns the claims of a person for an application, with what every token holds. Raises: ClaimRefused.

    `sub` is the object id: it stays when names change, and is the same for every application, as provisioning's is.
    """
    attributes = {**person.attributes, "objectId": person.object_id}
    name = attributes.get("userPrincipalName")
    if isinstance(name, str):
        attributes["originalUserPrincipalName"] = original_principal_name(name)
    ids = reception.ids
    environment = Environment(now=reception.now(), new_guid=ids.new_id, draw=ids.draw, default_domain="")
    scopes = scope.split()
    found: dict[str, Any] = {}
    for claim in settings.claims:
        if claim.scope is not None and claim.scope not in scopes:
            continue
        try:
            value = evaluate(parse_expression(claim.expression), attributes, environment)
        except EvaluationError as error:
            raise ClaimRefused(claim.name, f"The claim {claim.name} cannot be made: {error}") from None
        if value is not None and value != () and not isinstance(value, FlowMarker):
            found[claim.name] = list(value) if isinstance(value, tuple) else value
    sp = application.service_principal_id
    held = {each.role_id for each in assignments_of(reception, person) if each.service_principal_id == sp}
    roles = [role.value for role in application.app_roles if role.id in held and role.value and role.is_enabled]
    return {
        **found,
        **({"roles": roles} if roles else {}),
        "sub": person.object_id,
        "oid": person.object_id,
        "tid": tenant_id,
    }
