"""The authenticator app on the pages of people and of administrators: what is shown, and what its buttons do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import segno

from muster.administration import second_factors
from muster.administration.desk import Stores
from muster.administration.refusals import bad_request, conflict
from muster.ui.brake import Attempts
from muster.ui.language import gettext, ngettext


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorView:
    """How far somebody's second factor is."""

    since: datetime | None = None
    codes_left: int = 0
    # While it waits for its first code: the secret in groups, and the picture of its address.
    secret: str | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whoever acts on their own second factor, at a browser that may have been left open."""

    id: str
    # The name that the app lists it under.
    account: str
    stores: Stores
    at: datetime
    machine: str
    attempts: Attempts
    is_password: Callable[[str], bool]
    # Writes the audit entry of an activity.
    note: Callable[[str], None]

    def view(self) -> FactorView:
        """Returns what to show."""
        found = self.stores.second_factors.get(self.id)
        if found is None:
            return FactorView()
        if found.confirmed_at is not None:
            return FactorView(since=found.confirmed_at, codes_left=found.codes_left)
        if found.secret is None:
            return FactorView()
        groups = (found.secret[start : start + 4] for start in range(0, len(found.secret), 4))
        code = segno.make_qr(second_factors.address_of(found.secret, self.account))
        # A background of its own: scanners want dark on light in either theme.
        picture = code.svg_data_uri(scale=5, border=3, light="#fff", dark="#161d2b")
        return FactorView(secret=" ".join(groups), picture=picture)

    def begin(self) -> None:
        """Makes a secret to be confirmed. Raises: Refused if there is an app already."""
        try:
            second_factors.begin(self.stores, self.id)
        except ValueError:
            raise conflict(gettext("There is an authenticator app already: remove it first.")) from None

    def confirm(self, code: str) -> tuple[str, ...]:
        """Returns the recovery codes, shown this once. Raises: Refused."""
        self.check_pace()
        codes = second_factors.confirm(self.stores, self.id, code, self.at)
        if codes is None:
            self.fail()
            raise bad_request(gettext("This code does not fit. Wait for the next one and try again."))
        self.note("Add second factor")
        return codes

    def remove(self, proof: str) -> None:
        """Removes the app. Raises: Refused without a proof."""
        self._prove(proof)
        if self.stores.second_factors.remove(self.id):
            self.note("Remove second factor")

    def renew(self, proof: str) -> tuple[str, ...]:
        """Returns new recovery codes, shown this once. Raises: Refused without a proof."""
        self._prove(proof)
        self.note("Renew recovery codes")
        return second_factors.renew_recovery_codes(self.stores, self.id)

    def check_pace(self) -> None:
        """Checks that another attempt may be made. Raises: Refused."""
        seconds = self.attempts.wait(self.machine, self._key, self.at)
        if seconds is not None:
            raise bad_request(
                ngettext(
                    "Too many attempts that failed. Wait %(num)s second and try again.",
                    "Too many attempts that failed. Wait %(num)s seconds and try again.",
                    seconds,
                )
            )

    def fail(self) -> None:
        """Notes a failed attempt."""
        self.attempts.fail(self.machine, self._key, self.at)

    @property
    def _key(self) -> str:
        return f"account {self.id}"

    def _prove(self, given: str) -> None:
        """Whoever sits at an open browser is not yet who signed in: the password, or a code. Raises: Refused."""
        self.check_pace()
        if self.is_password(given):
            return
        if second_factors.check(self.stores, self.id, given, self.at) is None:
            self.fail()
            raise bad_request(gettext("Neither your password nor a code that fits now."))
