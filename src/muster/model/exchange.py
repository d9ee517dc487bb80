"""One HTTP exchange as values, and what can go wrong before an answer is there. No socket here: these are nouns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is sent. Headers may hold a token, therefore they and the body show in no representation."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What was answered: header names in lower case, several headers of one name joined by a comma and a space."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed: timedelta


class ExchangeFailed(Exception):
    """No answer. `sent` says whether the other side may have seen the request: a write sent has an unknown outcome.

    `why` is the reason alone, for whoever says themselves what could not be reached or called.
    """

    def __init__(self, sentence: str, *, sent: bool, why: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.sent = sent
        self.why = sentence if why is None else why


class ConnectionFailed(ExchangeFailed):
    """The name was not found, the connection or its TLS was refused, or it broke before the answer was complete."""


class TrustFailed(ConnectionFailed):
    """One side does not trust the certificate of the other, or misses it; `remedy` says what to do."""

    def __init__(self, sentence: str, *, sent: bool, remedy: str) -> None:
        super().__init__(sentence, sent=sent)
        self.remedy = remedy


class TransportTimeout(ExchangeFailed):
    """The deadline passed."""


class ResponseTooLarge(ExchangeFailed):
    """The answer is longer than the limit; the request has been carried out for all we know."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, sent=True)


class AddressRefused(ExchangeFailed):
    """Nothing was sent: the address is one that Muster must not call, as it would reach into the operator's network.

    The sentence says the address, why, and what to do; `why` the reason alone.
    """

    def __init__(self, sentence: str, why: str | None = None) -> None:
        super().__init__(sentence, sent=False, why=why)
