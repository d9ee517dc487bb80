"""The authenticator app on the pages of people and of administrators: what is shown, and the QR code to scan."""

from dataclasses import dataclass, field
from datetime import datetime

import segno

from muster.administration import second_factors
from muster.administration.desk import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorView:
    """How far somebody's second factor is."""

    since: datetime | None = None
    codes_left: int = 0
    # While it waits for its first code: the secret in groups, and the picture of its address.
    secret: str | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)


def view(stores: Stores, holder_id: str, account: str) -> FactorView:
    """Returns what to show of a holder's second factor; `account` is the name that the app lists it under."""
    found = stores.second_factors.get(holder_id)
    if found is None:
        return FactorView()
    if found.confirmed_at is not None:
        return FactorView(since=found.confirmed_at, codes_left=found.codes_left)
    groups = (found.secret[start : start + 4] for start in range(0, len(found.secret), 4))
    code = segno.make_qr(second_factors.address_of(found.secret, account))
    # A background of its own: scanners want dark on light in either theme.
    picture = code.svg_data_uri(scale=5, border=3, light="#fff", dark="#161d2b")
    return FactorView(secret=" ".join(groups), picture=picture)
