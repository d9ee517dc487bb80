"""Tokens that are shown but not kept yet: an administrator copies one and saves the page, or it never works."""

from threading import Lock

from muster.configuration_manager.administrators import Session
from muster.configuration_manager.customer import ConsoleRefusal, Customer
from muster.configuration_manager.tokens import draft_token
from muster.ui.language import marked

# Who keeps the accounts; the token's client is called so.
PROVIDERS = (marked("Microsoft Entra ID"), marked("Okta"), marked("Another SCIM provider"))
_LIMIT = 1_000


class Drafts:
    """One draft an administrator's session and customer, in this process alone."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, int], str] = {}
        self._lock = Lock()

    def make(self, session: Session, customer: Customer) -> str:
        """A new draft in place of the one before."""
        with self._lock:
            if len(self._tokens) >= _LIMIT:
                del self._tokens[next(iter(self._tokens))]
            token = self._tokens[session.csrf_token, customer.key] = draft_token()
            return token

    def take(self, session: Session, customer: Customer) -> str:
        """The draft that was shown, which is one no longer. Raises ConsoleRefusal."""
        with self._lock:
            token = self._tokens.pop((session.csrf_token, customer.key), None)
        if token is None:
            raise ConsoleRefusal("the token that was shown is no longer known: show the page anew, copy, save")
        return token
