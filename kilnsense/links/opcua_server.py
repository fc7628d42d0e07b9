"""The OPC UA server: who may read, and nothing more.

There is one endpoint, Basic256Sha256 with signing and encryption, and one user. Three doors that asyncua
leaves open are shut here: a session over an unencrypted channel (which must exist, for clients look up the
endpoint over it), taking over a session that somebody else has opened, and registering other servers.
"""

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from kilnsense.config.monitor import OpcUaConfig
from kilnsense.links.certificate import check_certificate, make_certificate
from kilnsense.links.link import Station

MOST_CONNECTIONS = 20
MOST_SUBSCRIPTIONS = 100

READING = frozenset(
    ua.NodeId(ua.Int32(kind))
    for kind in (
        ObjectIds.ReadRequest_Encoding_DefaultBinary,
        ObjectIds.BrowseRequest_Encoding_DefaultBinary,
        ObjectIds.TranslateBrowsePathsToNodeIdsRequest_Encoding_DefaultBinary,
        ObjectIds.RegisterNodesRequest_Encoding_DefaultBinary,  # a hint for speed; registers nothing
        ObjectIds.UnregisterNodesRequest_Encoding_DefaultBinary,
        ObjectIds.CreateSubscriptionRequest_Encoding_DefaultBinary,
        ObjectIds.ModifySubscriptionRequest_Encoding_DefaultBinary,
        ObjectIds.DeleteSubscriptionsRequest_Encoding_DefaultBinary,
        ObjectIds.CreateMonitoredItemsRequest_Encoding_DefaultBinary,
        ObjectIds.ModifyMonitoredItemsRequest_Encoding_DefaultBinary,
        ObjectIds.DeleteMonitoredItemsRequest_Encoding_DefaultBinary,
        ObjectIds.SetMonitoringModeRequest_Encoding_DefaultBinary,
        ObjectIds.SetPublishingModeRequest_Encoding_DefaultBinary,
        ObjectIds.PublishRequest_Encoding_DefaultBinary,
        ObjectIds.RepublishRequest_Encoding_DefaultBinary,
        ObjectIds.CloseSecureChannelRequest_Encoding_DefaultBinary,
    )
)
"""Services that a user may ask for; writing, calling and changing nodes are not among them."""


@dataclass(frozen=True)
class Access:
    """Where the server is, and who may read.

    Attributes:
        url: of the endpoint.
        site: name of the station.
        user, password: of the only user; the password is never shown.
        certificate, key: files.
        uri: of the application, as the certificate says.
    """

    url: str
    site: str
    user: str
    password: str = field(repr=False)
    certificate: Path
    key: Path
    uri: str


def make_access(config: OpcUaConfig, station: Station, *, password: str) -> Access:
    """From the settings; a certificate is made and kept where none is given. Raises as `open_opcua`."""
    if config.certificate:
        certificate, key = Path(config.certificate), Path(config.key)
    else:
        certificate, key = make_certificate(station.folder / "opcua", site=station.site, host=config.host)
    uri = check_certificate(certificate, key)
    url = f"opc.tcp://{config.host}:{config.port}/kilnsense/"
    return Access(url, station.site, config.user, password, certificate, key, uri)


@asynccontextmanager
async def open_server(access: Access) -> AsyncIterator[Server]:
    """A server that listens, for a `with` block. Raises OSError: its port is taken."""
    # What strangers send would fill the log with tracebacks.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    server = Server(iserver=_Inner(user_manager=_OneUser(access)))
    await server.init()
    await server.set_application_uri(access.uri)
    server.product_uri, server.manufacturer_name = "urn:kilnsense", "kilnsense"
    server.set_server_name(f"kilnsense {access.site}")
    server.set_endpoint(access.url)
    await server.load_certificate(access.certificate.read_bytes(), _format(access.certificate))
    await server.load_private_key(access.key.read_bytes(), format="pem")
    policy = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
    # asyncua names the one ruleset that it brings where any will do.
    server.set_security_policy([policy], permission_ruleset=_ReadOnly())  # type: ignore[arg-type]
    server.set_identity_tokens([ua.UserNameIdentityToken])
    async with server:
        yield server


def _format(path: Path) -> str:
    return "pem" if path.read_bytes().lstrip().startswith(b"-----BEGIN") else "der"


class _ReadOnly(PermissionRuleset):
    """Lets a user read."""

    def check_validity(self, user: User, action: ua.NodeId, _body: Any) -> bool:
        return user.role is UserRole.User and action in READING


class _OneUser:
    """Knows one user, over an encrypted channel."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def get_user(
        self,
        _server: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        if not certificate:  # the channel is not encrypted
            return None
        right_user = secrets.compare_digest((username or "").encode(), self._access.user.encode())
        right_word = secrets.compare_digest((password or "").encode(), self._access.password.encode())
        return User(UserRole.User, self._access.user) if right_user and right_word else None


class _Inner(InternalServer):
    """Takes no more than it can bear, and shuts two of the doors."""

    def __init__(self, user_manager: Any) -> None:
        super().__init__(user_manager)
        self.allow_remote_admin = False
        self.max_connections = MOST_CONNECTIONS
        self.max_subscriptions = MOST_SUBSCRIPTIONS
        self.max_monitored_item_queue_size = 100
        self.max_unacked_messages_per_subscription = 100

    def lookup_external_session(self, _key: ua.NodeId) -> InternalSession | None:
        """None: whoever lost his channel opens a new session.

        asyncua gives a session to a channel that asks for it before it has looked at the password, and the
        keys of sessions are consecutive numbers.
        """
        return None

    def register_server(self, _server: Any, _more: Any = None) -> None:
        """Refuses; asyncua would take any number from anybody."""
        raise ServiceError(StatusCodes.BadServiceUnsupported)
