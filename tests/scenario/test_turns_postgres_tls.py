"""TLS to the server of turns: another machine must prove who it is, and the cure is told where it does not."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from phantom.errors import StorageError
from phantom.secrets import held
from phantom.storage.postgres_address import PostgresAddress
from phantom.storage.postgres_link import AWAY, PostgresLink, facts_of
from tests.scenario.postgres_kit import DATABASE, USER, PostgresServer, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as found:
        certificate, key = made_certificate()
        for name, content in (("server.crt", certificate), ("server.key", key)):
            path = found.folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
            if os.geteuid() == 0:
                shutil.chown(path, (found.folder / "data").owner())
        (found.folder / "trusted.crt").write_bytes(certificate)
        for setting, value in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")):
            path = found.folder / value
            found.run(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(setting), sql.Literal(str(path))))
        found.run(sql.SQL("ALTER SYSTEM SET ssl = on").format())
        found.stop()
        found.start()
        yield found


def made_certificate() -> tuple[bytes, bytes]:
    """A certificate of localhost's that signs itself, and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8
    return certificate.public_bytes(pem), key.private_bytes(pem, plain, serialization.NoEncryption())


def link(server: PostgresServer, host: str, options: str) -> PostgresLink:
    address = PostgresAddress.parse(f"postgresql://{USER}@{host}:{server.port}/{DATABASE}?{options}")
    return PostgresLink(address, lambda: held("database_password", server.password), "test")


def test_a_server_that_proves_its_name_is_talked_to_over_tls(server: PostgresServer) -> None:
    with link(server, "localhost", f"sslmode=verify-full&sslrootcert={server.folder}/trusted.crt").connect() as made:
        assert facts_of(made, "phantom_0").tls
    with link(server, "127.0.0.1", "sslmode=require").connect() as made:
        assert facts_of(made, "phantom_0").tls


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("localhost", "sslmode=verify-full"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/trusted.crt"),
    ],
)
def test_one_that_does_not_gets_no_password(server: PostgresServer, host: str, options: str) -> None:
    with pytest.raises(StorageError) as error:
        link(server, host, options.format(folder=server.folder)).connect()
    assert error.value.code == AWAY
    assert "certificate" in error.value.message
    assert "sslrootcert=FILE" in error.value.hint
