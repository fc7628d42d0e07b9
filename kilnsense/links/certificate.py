"""The certificate of the OPC UA server: given, or made once and kept."""

import os
import socket
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from kilnsense.errors import ConfigError, StorageError

DAYS = 3650
"""A made certificate is valid for ten years: clients that trust it would stop, one day, in silence."""


def make_certificate(folder: Path, *, site: str, host: str) -> tuple[Path, Path]:
    """The files of a certificate and its key below a folder; made if they are not there.

    Raises:
        StorageError: they cannot be written.
    """
    certificate, key = folder / "certificate.der", folder / "key.pem"
    if certificate.is_file() and key.is_file():
        return certificate, key
    name = socket.gethostname()
    private = generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{name}:kilnsense:{site}"),
        x509.DNSName(name),
    ]
    try:
        names.append(x509.IPAddress(ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    made = generate_self_signed_app_certificate(
        private, f"kilnsense {site}", {}, names, [ExtendedKeyUsageOID.SERVER_AUTH], days=DAYS
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(dump_private_key_as_pem(private))
        certificate.write_bytes(made.public_bytes(Encoding.DER))
    except OSError as error:
        raise StorageError(
            f"{folder}: the certificate cannot be kept ({error.strerror}); choose another folder"
        ) from error
    return certificate, key


def check_certificate(certificate: Path, key: Path) -> str:
    """Reads a certificate (DER or PEM) and its key (PEM, without password); the application's URI in it.

    Raises:
        ConfigError: one cannot be read, they do not belong together, the certificate names no URI, or it is
            not valid today.
    """
    found, private = _read_certificate(certificate), _read_key(key)
    ours = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if ours != found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise ConfigError(f"opcua.key: {key} is not the key of {certificate}")
    if not found.not_valid_before_utc <= datetime.now(UTC) <= found.not_valid_after_utc:
        raise ConfigError(
            f"opcua.certificate: {certificate} is valid from {found.not_valid_before_utc:%Y-%m-%d} to "
            f"{found.not_valid_after_utc:%Y-%m-%d}; give one that is valid today"
        )
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (x509.ExtensionNotFound, IndexError) as error:
        raise ConfigError(
            f"opcua.certificate: {certificate} names no URI of an application (subjectAltName), so clients "
            f"would refuse it; give one that does"
        ) from error


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        data = path.read_bytes()
        pem = data.lstrip().startswith(b"-----BEGIN")
        return x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"opcua.certificate: {path} is no readable DER or PEM file ({error})") from error


def _read_key(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"opcua.key: {path} is no readable PEM file without password ({error})") from error
