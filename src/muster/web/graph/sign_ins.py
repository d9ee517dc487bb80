"""/auditLogs/signIns, and how people of the directory sign in: passwordProfile, authentication methods, links."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from muster.administration import passwords, second_factors, signing_in
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.model.conditions import Both, Comparison, Condition, Operator, conjuncts, holds
from muster.model.sign_in import SignIn, SignInMethod, SignInResult
from muster.model.values import Attributes
from muster.ports.sign_ins import SignInQuery
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, flag_of, text_of
from muster.web.graph.properties import Properties, bind, instants, numbers, texts
from muster.web.graph.render import instant

PASSWORD_CHARACTERS = 1_024
# Microsoft Graph's id of everybody's password method.
PASSWORD_METHOD = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105  an id, no secret
APP_METHOD = "softwareOath"
_PROFILE = frozenset({"password", "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"})
_AT = "createdDateTime"
_SIGN_IN = Properties(
    "a sign-in",
    *instants(_AT),
    *texts("id", "userId", "userPrincipalName", "userDisplayName", "appId", "appDisplayName", "ipAddress"),
    *texts("resourceId", "resourceDisplayName", "correlationId", "clientAppUsed", "userAgent"),
    *numbers("status/errorCode"),
    *texts("status/failureReason", "status/additionalDetails"),
)
_EXACT = {"userId": "person_id", "resourceId": "application_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordProfile:
    """Graph's passwordProfile: a password to sign in with, or only whether it is to be changed."""

    password: str | None = field(repr=False)
    must_change: bool

    def check(self, attributes: Attributes) -> None:
        """Checks the password before anything is written. Raises: Refused."""
        if self.password is not None:
            signing_in.check_new_password(attributes, self.password)

    def apply(self, desk: Desk, name: str) -> None:
        """Gives it to a person. Raises: Refused."""
        if self.password is None:
            passwords.require_change(desk, name, must_change=self.must_change)
        else:
            passwords.set_password(desk, name, self.password, must_change=self.must_change)


def read_password_profile(fields: dict[str, Any]) -> PasswordProfile | None:
    """Takes passwordProfile out of a user's properties, None if there is none or it says nothing. Raises: Refused."""
    given = fields.pop("passwordProfile", None)
    if given is None:
        return None
    if not isinstance(given, dict) or not _PROFILE.issuperset(name for name in given if "@odata." not in name):
        raise bad_request(f"passwordProfile takes an object of {', '.join(sorted(_PROFILE))}.")
    password = text_of(given, "password", optional=True)
    if password is not None and len(password) > PASSWORD_CHARACTERS:
        raise bad_request(f"passwordProfile.password takes up to {PASSWORD_CHARACTERS} characters.")
    flags = [flag_of(given, name) for name in sorted(_PROFILE - {"password"})]
    if password is None and flags == [None, None]:
        return None
    # Graph: it has to be changed unless told otherwise.
    return PasswordProfile(password=password, must_change=any(flags) or flags[0] is None)


def revoke_sessions(call: Call) -> Answer:
    """POST /users/{user}/revokeSignInSessions."""
    passwords.end_sessions(call.desk, call.parts["user"])
    return Answer(document={"@odata.context": f"{call.root}/$metadata#Edm.Boolean", "value": True})


def create_link(call: Call) -> Answer:
    """POST /users/{user}/createPasswordLink: a link with which the person sets a password, once and within a day."""
    token, expires_at = passwords.create_link(call.desk, call.parts["user"])
    root = call.root.rpartition("/")[0]
    return Answer(document={"link": f"{root}/signin/link/{token}", "expirationDateTime": instant(expires_at)})


def list_methods(call: Call) -> Answer:
    """GET /users/{user}/authentication/methods."""
    state = passwords.sign_in_state(call.desk, call.parts["user"])
    found: list[Document] = []
    if state.has_password:
        found.append(
            {
                "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
                "id": PASSWORD_METHOD,
                "password": None,
                "createdDateTime": instant(state.changed_at),
                "forceChangePasswordNextSignIn": state.must_change,
            }
        )
    if state.second_factor_since is not None:
        found.append(
            {
                "@odata.type": "#microsoft.graph.softwareOathAuthenticationMethod",
                "id": APP_METHOD,
                "secretKey": None,
                "createdDateTime": instant(state.second_factor_since),
                "recoveryCodesLeft": state.recovery_codes_left,
            }
        )
    return call.collection("users/authentication/methods", found, dict)


def remove_method(call: Call) -> Answer:
    """DELETE /users/{user}/authentication/methods/{method}: the password, or the authenticator app of who lost it."""
    user, method = call.parts["user"], call.parts["method"]
    if method == PASSWORD_METHOD:
        passwords.remove_password(call.desk, user)
    elif method == APP_METHOD:
        passwords.remove_second_factor(call.desk, user)
    else:
        raise not_found("Authentication method", method)
    return NO_CONTENT


def remove_administrator_factor(call: Call) -> Answer:
    """DELETE /administrators/{administrator}/secondFactor: the authenticator app of an administrator who lost it."""
    second_factors.remove_of_administrator(call.desk, call.parts["administrator"])
    return NO_CONTENT


def list_sign_ins(call: Call) -> Answer:
    """GET /auditLogs/signIns."""
    options = call.options()
    order = _SIGN_IN.order(options.order_by, _AT)
    ascending = order is not None and not order[1]
    query = SignInQuery(after=options.after, limit=options.limit, ascending=ascending)
    query, remaining = _narrowed(query, bind(options.filter, _SIGN_IN))

    # A reader of logs alone need not read configuration: ids come straight from the applications.
    known = {found.service_principal_id: found.app_id for found in call.desk.stores.applications.list()}

    def shown(entry: SignIn) -> Document:
        return sign_in(entry, known.get(entry.application_id or ""))

    def is_met(entry: SignIn) -> bool:
        return remaining is None or holds(remaining, shown(entry))

    found, next_after = signing_in.sign_ins(call.desk, query, None if remaining is None else is_met)
    return call.collection("auditLogs/signIns", found, shown, next_after=next_after)


def get_sign_in(call: Call) -> Answer:
    """GET /auditLogs/signIns/{entry}."""
    found, _ = signing_in.sign_ins(call.desk, SignInQuery(entry_id=call.parts["entry"], limit=1))
    if not found:
        raise not_found("Sign-in", call.parts["entry"])
    application = call.desk.stores.applications.get(found[0].application_id or "")
    return call.entity("auditLogs/signIns", sign_in(found[0], None if application is None else application.app_id))


def sign_in(entry: SignIn, app_id: str | None = None) -> Document:
    """Returns Graph's signIn."""
    is_app = entry.application_id is not None
    return {
        "id": entry.id,
        "createdDateTime": instant(entry.at),
        "userId": entry.person_id,
        "userDisplayName": entry.display_name,
        "userPrincipalName": entry.principal_name,
        "appId": app_id,
        "appDisplayName": entry.application_name if is_app else "My Apps",
        "resourceId": entry.application_id,
        "resourceDisplayName": entry.application_name,
        "ipAddress": entry.address,
        "userAgent": entry.client,
        "clientAppUsed": "Browser",
        "correlationId": entry.id,
        "isInteractive": True,
        "conditionalAccessStatus": "notApplied",
        "authenticationMethodsUsed": list(entry.methods),
        "authenticationRequirement": _requirement(entry.methods),
        "status": {
            "errorCode": int(entry.code),
            "failureReason": entry.reason or None,
            "additionalDetails": entry.details or None,
        },
    }


def _requirement(methods: tuple[str, ...]) -> str:
    second = {SignInMethod.ONE_TIME_CODE.value, SignInMethod.RECOVERY_CODE.value}
    return "singleFactorAuthentication" if second.isdisjoint(methods) else "multiFactorAuthentication"


def _narrowed(query: SignInQuery, condition: Condition | None) -> tuple[SignInQuery, Condition | None]:
    """Returns the query with what the store can search by, and what is left to look at in each entry."""
    remaining: list[Condition] = []
    for part in conjuncts(condition):
        narrower = _pushed(query, part) if isinstance(part, Comparison) else None
        if narrower is None:
            remaining.append(part)
        else:
            query = narrower
    return query, Both(parts=tuple(remaining)) if remaining else None


def _pushed(query: SignInQuery, part: Comparison) -> SignInQuery | None:
    if part.operator is Operator.EQUALS and isinstance(part.value, str) and part.path in _EXACT:
        name = _EXACT[part.path]
        given: Mapping[str, Any] = {name: part.value}
        return replace(query, **given) if getattr(query, name) is None else None
    if part.path == "status/errorCode" and part.operator is Operator.EQUALS and part.value == 0:
        return replace(query, result=SignInResult.SUCCESS) if query.result is None else None
    return None
