"""What administration refuses, and what is held, as SCIM answers it."""

from muster.administration.refusals import RefusalKind, Refused
from muster.scim.errors import Forbidden, InvalidValue, ScimError, UniquenessConflict


def refuse_held(reason: str | None) -> None:
    """Refuses what is held. Raises: Forbidden."""
    if reason is not None:
        raise Forbidden(
            f"Held, and nothing of this request was done. {reason} What SCIM clients remove within 24 hours counts as "
            "one cycle. It is done once an administrator approves it, and refused until then."
        )


class Understood:
    """Turns what administration refuses into what SCIM answers."""

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Refused):
            raise _answer(error) from None


def _answer(refused: Refused) -> ScimError:
    codes = {code for code, _ in refused.details}
    if refused.kind is RefusalKind.FORBIDDEN:
        return Forbidden(refused.sentence)
    if refused.kind is RefusalKind.CONFLICT or "ObjectConflict" in codes:
        return UniquenessConflict(refused.sentence)
    return InvalidValue(refused.sentence)
