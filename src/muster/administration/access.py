"""Who may use the installation: administrators and API tokens."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, conflict, not_found
from muster.model.roles import Caller, Permission, Role
from muster.ports.administration import ApiToken
from muster.sealing import hash_password, hash_token, make_token

CATEGORY = "RoleManagement"
TOKEN_PREFIX = "muster_"  # noqa: S105  what leaked tokens are recognised by, no secret
PASSWORD_LENGTH = 12
NAME_LIMIT = 120

# The caller of the machine's own commands: whoever may read the data folder owns the installation.
OPERATOR = Caller(id="operator", display_name="operator", roles=frozenset({Role.GLOBAL_ADMINISTRATOR}))


def create_token(
    desk: Desk, name: str, roles: Collection[Role], *, lifetime: timedelta | None = None
) -> tuple[ApiToken, str]:
    """Returns the token's entry and the token itself, which is shown this once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    _check_name(name)
    if not roles:
        raise bad_request("A token needs at least one role.")
    if lifetime is not None and lifetime <= timedelta(0):
        raise bad_request("A token's lifetime must be longer than nothing.")
    secret = make_token(TOKEN_PREFIX)
    token = ApiToken(
        id=desk.ids.new_id(),
        name=name,
        roles=frozenset(roles),
        created_at=desk.now(),
        expires_at=None if lifetime is None else desk.now() + lifetime,
        last_used_at=None,
    )
    desk.stores.access.add_token(token, hash_token(secret))
    shown = ", ".join(sorted(role.value for role in token.roles))
    desk.note("Add API token", CATEGORY, target=("ApiToken", token.id, name), changes=(("roles", None, shown),))
    return token, secret


def tokens(desk: Desk) -> Sequence[ApiToken]:
    """Returns all API tokens. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    return desk.stores.access.tokens()


def revoke_token(desk: Desk, token_id: str) -> None:
    """Revokes a token at once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    name = next((token.name for token in desk.stores.access.tokens() if token.id == token_id), token_id)
    if not desk.stores.access.remove_token(token_id):
        raise not_found("API token", token_id)
    desk.note("Remove API token", CATEGORY, target=("ApiToken", token_id, name))


def create_administrator(desk: Desk, name: str, password: str, roles: Collection[Role]) -> Caller:
    """Returns the new administrator. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    _check_name(name)
    if len(password) < PASSWORD_LENGTH:
        raise bad_request(f"A password has at least {PASSWORD_LENGTH} characters.")
    if not roles:
        raise bad_request("An administrator needs at least one role.")
    if desk.stores.access.administrator(name) is not None:
        raise conflict(f"There is an administrator “{name}” already.")
    try:
        password_hash = hash_password(password)
    except ValueError as error:
        raise bad_request(f"{error}.") from error
    administrator = Caller(id=desk.ids.new_id(), display_name=name, roles=frozenset(roles))
    desk.stores.access.add_administrator(administrator, password_hash)
    desk.note(
        "Add administrator",
        CATEGORY,
        target=("Administrator", administrator.id, name),
        changes=(("roles", None, ", ".join(sorted(role.value for role in administrator.roles))),),
    )
    return administrator


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise bad_request(f"A name has 1 to {NAME_LIMIT} printable characters.")
