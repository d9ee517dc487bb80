"""A real mail server on loopback (aiosmtpd) that keeps what it is given."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

USER, PASSWORD = "muster", "right-password"


class Kept:
    """What arrived. `refuse` answers recipients: address -> the answer that refuses it."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}
        self.port = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            cast(EmailMessage, message_from_bytes(cast(bytes, envelope.content), policy=policy.default))
            for envelope in self.envelopes
        ]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 kept"


@contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, asks_sign_in: bool = False
) -> Iterator[Kept]:
    """Serves on a free port until the end of the block."""
    kept, loop = Kept(), asyncio.new_event_loop()

    def sign_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    def connection() -> SMTP:
        return SMTP(
            kept,
            hostname="mail.example.com",
            authenticator=sign_in,
            auth_required=asks_sign_in,
            auth_require_tls=starttls is not None,
            tls_context=starttls,
            require_starttls=starttls is not None,
            loop=loop,
        )

    server = loop.run_until_complete(loop.create_server(connection, "127.0.0.1", 0, ssl=tls))
    kept.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
