"""Who may use the installation: administrators and API tokens."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, conflict, not_found
from muster.model.password_policy import find_weakness
from muster.model.roles import Caller, Permission, Role
from muster.ports.administration import ApiToken
from muster.sealing import hash_password, hash_token, make_token

CATEGORY = "RoleManagement"
TOKEN_PREFIX = "muster_"  # noqa: S105  what leaked tokens are recognised by, no secret
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
    changes = (("roles", None, _shown(token.roles)), ("expires", None, _end(token)))
    desk.note("Add API token", CATEGORY, target=("ApiToken", token.id, name), changes=changes)
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
    if (weakness := find_weakness(password, (name,))) is not None:
        raise bad_request(weakness)
    if not roles:
        raise bad_request("An administrator needs at least one role.")
    if desk.stores.access.administrator(name) is not None:
        raise conflict(f"There is an administrator “{name}” already.")
    administrator = Caller(id=desk.ids.new_id(), display_name=name, roles=frozenset(roles))
    desk.stores.access.add_administrator(administrator, hash_password(password))
    desk.note(
        "Add administrator",
        CATEGORY,
        target=_target(administrator),
        changes=(("roles", None, _shown(administrator.roles)),),
    )
    return administrator


def administrators(desk: Desk) -> Sequence[Caller]:
    """Returns all administrators by name. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    return desk.stores.access.administrators()


def set_administrator_roles(desk: Desk, administrator_id: str, roles: Collection[Role]) -> None:
    """Gives an administrator these roles, at once. Raises: Refused, also if nobody could manage access any more."""
    desk.require(Permission.MANAGE_ACCESS)
    administrator = find_administrator(desk, administrator_id)
    if not roles:
        raise bad_request("An administrator needs at least one role: remove the administrator instead.")
    if Role.GLOBAL_ADMINISTRATOR not in roles:
        _check_not_last(desk, administrator)
    if frozenset(roles) == administrator.roles:
        return
    desk.stores.access.set_roles(administrator.id, frozenset(roles))
    changes = (("roles", _shown(administrator.roles), _shown(roles)),)
    desk.note("Update administrator", CATEGORY, target=_target(administrator), changes=changes)


def remove_administrator(desk: Desk, administrator_id: str) -> None:
    """Removes an administrator, who is signed out at once. Raises: Refused, also for the last one."""
    desk.require(Permission.MANAGE_ACCESS)
    administrator = find_administrator(desk, administrator_id)
    _check_not_last(desk, administrator)
    desk.stores.access.remove_administrator(administrator.id)
    desk.stores.second_factors.remove(administrator.id)
    desk.note("Remove administrator", CATEGORY, target=_target(administrator))


def find_administrator(desk: Desk, administrator_id: str) -> Caller:
    """Returns an administrator by id. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    found = next((each for each in desk.stores.access.administrators() if each.id == administrator_id), None)
    if found is None:
        raise not_found("Administrator", administrator_id)
    return found


def _check_not_last(desk: Desk, administrator: Caller) -> None:
    if Role.GLOBAL_ADMINISTRATOR not in administrator.roles:
        return
    others = (each for each in desk.stores.access.administrators() if each.id != administrator.id)
    if not any(Role.GLOBAL_ADMINISTRATOR in other.roles for other in others):
        raise conflict(
            f"{administrator.display_name} is the last Global Administrator: give another one this role first.",
        )


def _end(token: ApiToken) -> str:
    return "never" if token.expires_at is None else f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}"


def _shown(roles: Collection[Role]) -> str:
    return ", ".join(sorted(role.value for role in roles))


def _target(administrator: Caller) -> tuple[str, str, str]:
    return ("Administrator", administrator.id, administrator.display_name)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise bad_request(f"A name has 1 to {NAME_LIMIT} printable characters.")
