"""Hands mails to a mail server, one connection each. Only the control process loads this."""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final

from troth.control.budgets import Mail
from troth.server.handover import MailServer

_PATIENCE_SECONDS: Final = 20


def message(mail: Mail, sender: str, now_ms: int) -> bytes:
    """Return a mail as it travels; its id is that of the alert, however often it is sent."""
    made = EmailMessage(SMTP)
    made["From"] = sender
    made["To"] = mail.address
    made["Subject"] = mail.subject
    made["Date"] = formatdate(now_ms // 1_000)
    made["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2].rstrip('>')}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.text)
    return made.as_bytes()


def hand_over(mail: Mail, server: MailServer, now_ms: int) -> bool:
    """Give a mail to the mail server; tell whether it took it."""
    try:
        with _connected(server) as way:
            if server.security == "starttls":
                way.starttls(context=ssl.create_default_context())
            if server.username:
                way.login(server.username, server.password)
            way.sendmail(server.sender, [mail.address], message(mail, server.sender, now_ms))
    except (smtplib.SMTPException, OSError, ValueError):
        return False
    return True


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host,
            server.port,
            timeout=_PATIENCE_SECONDS,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(server.host, server.port, timeout=_PATIENCE_SECONDS)
