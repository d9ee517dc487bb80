"""A letter as a mail, and the way to the mail server: STARTTLS or TLS, checked against trusted certificates."""

import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from muster.model.notice import MailSecurity, MailServer
from muster.notifications.letter import Letter
from muster.ports.notifier import DeliveryFailed

# Of one step: connecting, a command's answer.
STEP_SECONDS = 20.0

# (host, port) -> the addresses to connect to, in order. Raises DeliveryFailed for one that must not be called.
FindAddresses = Callable[[str, int], tuple[str, ...]]


def form_mail(letter: Letter, *, sender: str, recipient: str, delivery_id: str, at: datetime) -> EmailMessage:
    """Returns the mail: text and HTML. Its Message-ID is the delivery's, so that one sent twice is known as one.

    Raises: DeliveryFailed for an address that cannot stand in a header.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["Subject"] = letter.subject
        message["From"] = sender
        message["To"] = recipient
        message["Date"] = at
        message["Message-ID"] = f"<{delivery_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    except (ValueError, IndexError) as error:
        raise DeliveryFailed(f"The mail to {recipient!r} cannot be formed: {error}.", is_final=True) from None
    # No out-of-office answers, no loops (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


class Mailer:
    """Hands mails to a mail server, one connection a mail."""

    def __init__(self, find: FindAddresses, context: ssl.SSLContext) -> None:
        self._find = find
        self._context = context

    def send(self, server: MailServer, message: EmailMessage, recipient: str) -> None:
        """Returns once the server has taken the mail. Raises: DeliveryFailed."""
        place = f"{server.host}:{server.port}"
        try:
            with self._connect(server) as connection:
                if server.security is MailSecurity.STARTTLS:
                    connection.starttls(context=self._context)
                connection.ehlo_or_helo_if_needed()
                if server.user is not None:
                    connection.login(server.user, server.password or "")
                connection.send_message(message, from_addr=server.sender, to_addrs=[recipient])
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryFailed(
                f"The mail server {place} does not accept user and password ({error.smtp_code})."
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()), (550, b""))
            sentence = f"The mail server {place} refuses the recipient {recipient} ({code}{_said(said)})."
            raise DeliveryFailed(sentence, is_final=code >= 500) from None
        except smtplib.SMTPResponseException as error:
            # Of the sender, of the mail, of the greeting.
            sentence = f"The mail server {place} refuses the mail ({error.smtp_code}{_said(error.smtp_error)})."
            raise DeliveryFailed(sentence) from None
        except smtplib.SMTPNotSupportedError:
            wanted = "STARTTLS" if server.security is MailSecurity.STARTTLS else "signing in"
            raise DeliveryFailed(
                f"The mail server {place} does not offer {wanted}: nothing was sent. Choose another port or security."
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryFailed(
                f"The certificate of the mail server {place} is not trusted: {error.verify_message}. "
                "Give its authority in MUSTER_CA_FILE."
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise DeliveryFailed(
                f"The mail server {place} cannot be talked to: {reason or 'no answer in time'}."
            ) from None

    def _connect(self, server: MailServer) -> smtplib.SMTP:
        addresses = self._find(server.host, server.port)
        if server.security is MailSecurity.TLS:
            return _TlsConnection(server, addresses, self._context)
        return _Connection(server, addresses)


class _Connection(smtplib.SMTP):
    """Connects to the addresses that were checked, whatever the name means a moment later."""

    def __init__(self, server: MailServer, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        super().__init__(server.host, server.port, timeout=STEP_SECONDS)

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:
        return _open(self._addresses, port, timeout)


class _TlsConnection(smtplib.SMTP_SSL):
    """The same with TLS from the first byte; the certificate is checked against the name."""

    def __init__(self, server: MailServer, addresses: tuple[str, ...], context: ssl.SSLContext) -> None:
        self._addresses = addresses
        super().__init__(server.host, server.port, timeout=STEP_SECONDS, context=context)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = _open(self._addresses, port, timeout)
        return self.context.wrap_socket(plain, server_hostname=host)


def _open(addresses: tuple[str, ...], port: int, timeout: float) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), timeout)


def _said(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    plain = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return f": {plain[:200]}" if plain else ""
