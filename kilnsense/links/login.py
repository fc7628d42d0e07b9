"""How a broker is reached."""

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Login:
    """Where a broker is, and as whom it is spoken to.

    Attributes:
        host, port: of the broker.
        name: of the client.
        user: "" where the broker asks for none.
        password: of the user, or None; never shown.
        context: of TLS; None: without.
        will: (topic, text) that the broker says, retained, when it loses the client.
    """

    host: str
    port: int
    name: str
    user: str
    password: str | None = field(repr=False)
    context: ssl.SSLContext | None
    will: tuple[str, str]

    @property
    def broker(self) -> str:
        """For messages."""
        return f"MQTT broker {self.host}:{self.port}"
