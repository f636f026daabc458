"""Where callbacks may go: addresses and names in every form that leads back into a private network."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.webhook.addresses import is_public
from channels.webhook.callback_urls import why_refused

REFUSED_URLS = (
    "",
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "//hooks.example.com/",
    "https://",
    "https:///path",
    "https://user@hooks.example.com/",
    "https://user:pass@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:25/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:port/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com /",
    "https://hooks.example.com\t/",
    "https://hooks.example.com\n/",
    "https://höoks.example.com/",
    "https://hooks。example。com/",
    "https://ⓛocalhost/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://x.localhost/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://host.home.arpa/",
    "https://hooks.example.com./",
    "https://hooks..example.com/",
    "https://%6c%6fcalhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.01/",
    "https://1.1.1.1.1/",
    "https://999.1.1.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://168.63.129.16/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::808:808]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:db8::1]/",
    "https://[2001:4860::5efe:7f00:1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[::1",
    "https://hooks.example.com/" + "a" * 2048,
)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_what_may_lead_back_inside_is_refused(url: str) -> None:
    assert why_refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/",
        "https://HOOKS.example.com/path?query=1",
        "https://hooks.example.com:8443/path",
        "https://xn--bcher-kva.example.com/",
        "https://my_hook.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
    ],
)
def test_public_hosts_are_taken(url: str) -> None:
    assert why_refused(url) == ""


def test_the_development_setting_opens_this_machine_alone() -> None:
    for url in (
        "http://127.0.0.1:8080/",
        "http://127.0.0.1:81/",
        "http://localhost/",
        "https://[::1]/",
        "https://localhost/x",
    ):
        assert why_refused(url, insecure=True) == ""
    for url in (
        "http://10.0.0.1/",
        "http://hooks.example.com/",
        "https://hooks.example.com:22/",
        "https://169.254.169.254/",
        "http://127.1/",
    ):
        assert why_refused(url, insecure=True)
    assert why_refused("http://127.0.0.1/", hosts=("hooks.example.com",), insecure=True)


def test_the_allow_list_is_exact() -> None:
    hosts = ("hooks.example.com", "*.example.org")
    for url in ("https://hooks.example.com/", "https://a.example.org/", "https://a.b.example.org/"):
        assert why_refused(url, hosts=hosts) == ""
    for url in (
        "https://example.com/",
        "https://x.hooks.example.com/",
        "https://example.org/",
        "https://aexample.org/",
    ):
        assert "list" in why_refused(url, hosts=hosts)
    assert why_refused("https://10.0.0.1/", hosts=("10.0.0.1",)), "a listed private address stays private"


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_is_public_that_the_standard_library_calls_private(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_of_an_ipv4_address_is_public(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for prefix, shift in (("::ffff:0:0", 0), ("::", 0), ("64:ff9b::", 0), ("2002::", 80), ("2001::", 0)):
        inside = int(ipaddress.IPv6Address(prefix)) | number << shift
        assert not is_public(str(ipaddress.IPv6Address(inside)))


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(why_refused("https://" + text), str)
    assert not is_public(text) or ipaddress.ip_address(text).is_global
