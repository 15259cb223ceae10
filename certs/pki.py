"""PKI: the authority and the serving certificates of the webhook, from state and time alone; keys come from the OS."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3 * 365)
SERVING_LIFE = timedelta(days=90)
# A client whose clock is behind ours must not see a certificate from the future.
BACKDATED = timedelta(minutes=15)
# Renewed when a third of the life is left: a month in which a renewal that fails can be noticed and repeated.
RENEWED_AFTER = 2 / 3
# The longest common name that X.509 admits; verifiers read the alternative names only.
MAX_COMMON_NAME = 64


class InvalidCertificate(ValueError):  # noqa: N818  # the word says it already
    """The bytes are not the certificate or the key that they should be."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate (PEM) and its private key (PEM, PKCS#8), which never shows in a log."""

    certificate: bytes
    key: bytes = field(repr=False)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names under which a Service is called: by kube-apiserver the first, by other API servers any of them."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}", f"{service}.{namespace}.svc.cluster.local")


def issue_authority(*, now: datetime, life: timedelta = AUTHORITY_LIFE) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Two authorities overlap during a rotation, and some verifiers look for the issuer by name alone.
    subject = _name(f"isolation-baseline authority {serial:x}"[:MAX_COMMON_NAME])
    usages = _key_usage(digital_signature=False, key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(subject, subject, key.public_key(), serial, now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usages, critical=True)
    )
    return _issued(builder, key, key)


def issue_serving(authority: Issued, names: Sequence[str], *, now: datetime, life: timedelta = SERVING_LIFE) -> Issued:
    """
    A certificate for a server that is called by these DNS names and IP addresses.

    It never outlives its authority: a verifier would refuse it then, and nobody would have seen that coming.
    """
    if not names:
        raise ValueError("a serving certificate needs a name")
    issuer, issuer_key = load(authority.certificate), _load_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(life, issuer.not_valid_after_utc - now)
    builder = _builder(
        _name(names[0][:MAX_COMMON_NAME]), issuer.subject, key.public_key(), x509.random_serial_number(), now, life
    )
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_cert_sign=False, crl_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
    )
    return _issued(builder, key, issuer_key)


def load(pem: bytes) -> x509.Certificate:
    """The first certificate of a PEM file. Raises InvalidCertificate."""
    return load_all(pem)[0]


def load_all(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM file, at least one. Raises InvalidCertificate."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as e:
        raise InvalidCertificate("expected PEM certificates") from e


def needs_renewal(pem: bytes, now: datetime) -> bool:
    """Whether two thirds of the life are over, or it has not begun."""
    certificate = load(pem)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not begin <= now < begin + (end - begin) * RENEWED_AFTER


def bundle(certificates: Iterable[bytes], *, now: datetime) -> bytes:
    """What a verifier is told to trust: each authority once, in the given order, without the expired."""
    alive = (cert for pem in certificates for cert in load_all(pem) if cert.not_valid_after_utc > now)
    return b"".join(dict.fromkeys(cert.public_bytes(Encoding.PEM) for cert in alive))


def split(pem: bytes) -> list[bytes]:
    """The certificates of a bundle, one PEM each."""
    return [certificate.public_bytes(Encoding.PEM) for certificate in load_all(pem)]


def serving_faults(issued: Issued, authority: bytes, names: Sequence[str], *, now: datetime) -> tuple[str, ...]:
    """Why a serving certificate cannot go on being used for these names under the first authority of a bundle."""
    try:
        certificate, issuer = load(issued.certificate), load(authority)
        key = _load_key(issued.key)
    except InvalidCertificate as e:
        return (str(e),)
    faults = []
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        faults.append("the key belongs to another certificate")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        faults.append("it was issued by another authority")
    faults += [f"it does not hold for `{name}`" for name in names if not _covers(certificate, name)]
    if needs_renewal(issued.certificate, now):
        faults.append("most of its life is over")
    return tuple(faults)


def authority_faults(issued: Issued, *, now: datetime) -> tuple[str, ...]:
    """Why an authority cannot go on issuing."""
    try:
        certificate, key = load(issued.certificate), _load_key(issued.key)
    except InvalidCertificate as e:
        return (str(e),)
    faults = []
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        faults.append("the key belongs to another certificate")
    if not _is_authority(certificate):
        faults.append("it may not issue certificates")
    if needs_renewal(issued.certificate, now):
        faults.append("most of its life is over")
    return tuple(faults)


def _covers(certificate: x509.Certificate, name: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return _general_name(name) in list(names)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, digital_signature: bool, key_cert_sign: bool, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,  # ECDSA signs; only an RSA key exchange would encipher
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issued(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> Issued:
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return Issued(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as e:
        raise InvalidCertificate("expected a PEM private key") from e
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidCertificate("expected an elliptic curve private key")
    return key


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
