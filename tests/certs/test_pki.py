"""Certificates as those see them who have to verify them: in a handshake, and by what a serving certificate must be."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import pki

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)  # a real handshake looks at the real clock
DAY = dt.timedelta(days=1)
NAMES = ("webhook.isolation.svc", "localhost", "127.0.0.1", "::1")


def assert_is_serving_cert(issued: pki.Issued, authority: pki.Issued, names: tuple[str, ...]) -> None:
    certificate, issuer = pki.load(issued.certificate), pki.load(authority.certificate)
    extensions = certificate.extensions
    assert certificate.issuer == issuer.subject
    certificate.verify_directly_issued_by(issuer)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not any((usage.value.key_cert_sign, usage.value.crl_sign, usage.value.key_encipherment))
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    alternatives = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    assert {*alternatives.get_values_for_type(x509.DNSName), *addresses} == set(names)
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert identifier == issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert certificate.not_valid_before_utc <= NOW < certificate.not_valid_after_utc <= issuer.not_valid_after_utc


def handshake(serving: pki.Issued, trusted: bytes, name: str, directory: Path) -> str:
    """What a client that trusts only `trusted` and calls `name` thinks of a server: the TLS version, or its error."""
    (directory / "chain").write_bytes(serving.certificate)
    (directory / "key").write_bytes(serving.key)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(directory / "chain", directory / "key")
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.load_verify_locations(cadata=trusted.decode())
    # Newer Pythons, as Go, insist on what RFC 5280 asks for.
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as e:
                return str(e.verify_message)
    return client.version() or "no handshake"


AUTHORITY = pki.issue_authority(now=NOW)
SERVING = pki.issue_serving(AUTHORITY, NAMES, now=NOW)


def test_a_serving_certificate_is_what_verifiers_expect() -> None:
    assert_is_serving_cert(SERVING, AUTHORITY, NAMES)


def test_an_authority_may_issue_and_nothing_else() -> None:
    extensions = pki.load(AUTHORITY.certificate).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.digital_signature) == (True, False)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_shakes_hands_under_every_name(name: str, tmp_path: Path) -> None:
    assert handshake(SERVING, AUTHORITY.certificate, name, tmp_path) == "TLSv1.3"


def test_a_client_that_trusts_old_and_new_authority_accepts_both_leaves(tmp_path: Path) -> None:
    new = pki.issue_authority(now=NOW)
    trusted = pki.bundle([new.certificate, AUTHORITY.certificate], now=NOW)
    for serving in (SERVING, pki.issue_serving(new, NAMES, now=NOW)):
        assert handshake(serving, trusted, "localhost", tmp_path) == "TLSv1.3"


REFUSED = [
    ("another name", SERVING, AUTHORITY.certificate, "other.svc", "Hostname mismatch"),
    ("another address", SERVING, AUTHORITY.certificate, "127.0.0.2", "IP address mismatch"),
    ("another authority", SERVING, pki.issue_authority(now=NOW).certificate, "localhost", "unable to get local issuer"),
    (
        "from the future",
        pki.issue_serving(AUTHORITY, NAMES, now=NOW + DAY),
        AUTHORITY.certificate,
        "localhost",
        "not yet valid",
    ),
    (
        "over",
        pki.issue_serving(AUTHORITY, NAMES, now=NOW - 2 * DAY, life=DAY),
        AUTHORITY.certificate,
        "localhost",
        "expired",
    ),
]


@pytest.mark.parametrize(
    ("serving", "trusted", "name", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_client_refuses(serving: pki.Issued, trusted: bytes, name: str, error: str, tmp_path: Path) -> None:
    assert error in handshake(serving, trusted, name, tmp_path)


def test_a_client_whose_clock_is_ten_minutes_behind_accepts(tmp_path: Path) -> None:
    ahead = NOW + dt.timedelta(minutes=10)
    authority = pki.issue_authority(now=ahead)
    serving = pki.issue_serving(authority, ("localhost",), now=ahead)
    assert handshake(serving, authority.certificate, "localhost", tmp_path) == "TLSv1.3"


def test_a_leaf_never_outlives_its_authority() -> None:
    authority = pki.issue_authority(now=NOW, life=5 * DAY)
    leaf = pki.load(pki.issue_serving(authority, NAMES, now=NOW, life=90 * DAY).certificate)
    assert leaf.not_valid_after_utc == NOW + 5 * DAY


def test_serials_and_subjects_of_authorities_differ() -> None:
    one, other = pki.load(AUTHORITY.certificate), pki.load(pki.issue_authority(now=NOW).certificate)
    assert one.serial_number != other.serial_number
    assert one.subject != other.subject


RENEWAL = [
    ("before its life", -1 * DAY, True),
    ("at once", 0 * DAY, False),
    ("in its middle", 15 * DAY, False),
    ("shortly before two thirds", 19 * DAY, False),
    ("after two thirds", 21 * DAY, True),
    ("after its end", 31 * DAY, True),
]


@pytest.mark.parametrize(("age", "expected"), [case[1:] for case in RENEWAL], ids=[case[0] for case in RENEWAL])
def test_a_certificate_of_thirty_days_needs_renewal(age: dt.timedelta, expected: bool) -> None:
    leaf = pki.issue_serving(AUTHORITY, NAMES, now=NOW, life=30 * DAY)
    assert pki.needs_renewal(leaf.certificate, NOW + age) is expected


def test_a_bundle_holds_each_living_authority_once_and_in_order() -> None:
    over = pki.issue_authority(now=NOW - 9 * DAY, life=DAY)
    new = pki.issue_authority(now=NOW)
    made = pki.bundle([new.certificate, over.certificate, AUTHORITY.certificate, new.certificate], now=NOW)
    assert made == new.certificate + AUTHORITY.certificate


OTHER_AUTHORITY = pki.issue_authority(now=NOW)
FAULTS: list[tuple[str, pki.Issued, tuple[str, ...], tuple[str, ...]]] = [
    ("none", SERVING, NAMES, ()),
    ("fewer names asked", SERVING, NAMES[:1], ()),
    (
        "names missing",
        SERVING,
        ("localhost", "new.svc", "10.0.0.1"),
        ("it does not hold for `new.svc`", "it does not hold for `10.0.0.1`"),
    ),
    (
        "another authority",
        pki.issue_serving(OTHER_AUTHORITY, NAMES, now=NOW),
        NAMES,
        ("it was issued by another authority",),
    ),
    (
        "another key",
        pki.Issued(SERVING.certificate, OTHER_AUTHORITY.key),
        NAMES,
        ("the key belongs to another certificate",),
    ),
    ("old", pki.issue_serving(AUTHORITY, NAMES, now=NOW - 80 * DAY), NAMES, ("most of its life is over",)),
    ("no certificate", pki.Issued(b"x", SERVING.key), NAMES, ("expected PEM certificates",)),
    ("no key", pki.Issued(SERVING.certificate, b""), NAMES, ("expected a PEM private key",)),
]


@pytest.mark.parametrize(("issued", "names", "faults"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_serving_faults(issued: pki.Issued, names: tuple[str, ...], faults: tuple[str, ...]) -> None:
    assert pki.serving_faults(issued, AUTHORITY.certificate, names, now=NOW) == faults


def test_authority_faults() -> None:
    assert pki.authority_faults(AUTHORITY, now=NOW) == ()
    assert pki.authority_faults(SERVING, now=NOW) == ("it may not issue certificates",)
    assert pki.authority_faults(AUTHORITY, now=NOW + 1000 * DAY) == ("most of its life is over",)


def test_names_of_a_service_start_with_the_one_that_the_api_server_uses() -> None:
    assert pki.service_names("webhook", "isolation") == (
        "webhook.isolation.svc",
        "webhook.isolation",
        "webhook.isolation.svc.cluster.local",
    )


def test_a_key_does_not_show_in_a_log() -> None:
    assert "PRIVATE" not in repr(SERVING)


def test_a_server_without_a_name_is_nobody() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        pki.issue_serving(AUTHORITY, (), now=NOW)


def test_addresses_are_addresses_and_not_names() -> None:
    alternatives = pki.load(SERVING.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]
