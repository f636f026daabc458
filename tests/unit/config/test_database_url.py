"""Which addresses of a database are taken, and that a refused one is never shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.database_url import database_url
from config.fill import show

GOOD = "postgresql://phantom@db.example:5433/turns?sslmode=verify-full"


@pytest.mark.parametrize(
    "url",
    [
        "",
        GOOD,
        "postgres://phantom@db/turns",
        "postgresql://phantom@[::1]:5432/turns",
        "postgresql://a%40b@db/turns",
        "postgresql://phantom@/turns?host=/run/postgresql",
        "postgresql://phantom@db/turns?sslmode=require&sslrootcert=/etc/ca.pem&channel_binding=require",
    ],
)
def test_what_names_a_user_and_a_database_is_taken(url: str) -> None:
    assert database_url(f" {url} ") == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://phantom:hunter2@db/turns", "secret database_password"),
        ("postgresql://phantom:@db/turns", "secret database_password"),
        ("postgresql://phantom@db/turns?password=hunter2", "secret database_password"),
        ("postgresql://phantom@db/turns?passfile=/x", "secret database_password"),
        ("postgresql://phantom@db/turns?sslpassword=hunter2", "secret database_password"),
        ("postgresql://phantom:hun/ter2@db/turns", "is not of the shape"),
        ("mysql://phantom@db/turns", "is not of the shape"),
        ("postgresql://phantom@db:port/turns", "is not of the shape"),
        ("postgresql://phantom@db/turns#x", "is not of the shape"),
        ("host=db user=phantom password=hunter2", "is not of the shape"),
        ("postgresql://db/turns", "does not name a user"),
        ("postgresql://phantom@db", "does not name a user"),
        ("postgresql://phantom@db/turns/more", "does not name a user"),
        ("postgresql://phantom@db/hunter2@turns", "does not name a user"),
        ("postgresql:///turns?host=/run", "does not name a user"),
        ("postgresql://phantom@/turns", "needs a host"),
        ("postgresql://phantom@db/turns?host=/run", "needs a host"),
        ("postgresql://phantom@/turns?host=db", "no folder"),
        ("postgresql://phantom@db/turns?sslmode=maybe", "has an sslmode"),
        ("postgresql://phantom@db/turns?options=-csearch_path%3Dx", "may have these options"),
        ("postgresql://phantom@db/turns?sslmode=require&sslmode=disable", "may have these options"),
    ],
)
def test_everything_else_is_refused_and_not_shown(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        database_url(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_.~!$&'()*+,;=%/?#@:", min_size=6, max_size=40))
def test_no_password_gets_through_in_the_place_where_people_put_it(text: str) -> None:
    password = f"{text[:3]}Zq7{text[3:]}"  # no word of the message's own, as a part of "database" would be
    url = f"postgresql://phantom:{password}@db.example/turns"
    with pytest.raises(ValueError, match=r"postgresql://|database_password|options") as refused:
        database_url(url)
    assert password not in str(refused.value)


def test_it_is_printed_without_its_user() -> None:
    assert show(GOOD) == "postgresql://***@db.example:5433/turns?sslmode=verify-full"
