"""Which addresses outbound HTTP may reach. Python's `is_private` misses 100.64/10 and NAT64: own list."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# RFC 6890 and what came after it: everything that is not the public unicast internet.
BLOCKED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


def is_allowed(text: str) -> bool:
    """Whether outbound HTTP may connect to this address: public, or in settings.PORTAL_HTTP_ALLOWED_NETWORKS."""
    address = _unwrapped(ip_address(text.partition("%")[0]))
    if any(_holds(network, address) for network in _allowed(tuple(settings.PORTAL_HTTP_ALLOWED_NETWORKS))):
        return True
    return not any(_holds(network, address) for network in BLOCKED)


def _unwrapped(address: Address) -> Address:
    """::ffff:127.0.0.1 reaches 127.0.0.1."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


@lru_cache(maxsize=8)
def _allowed(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text.strip(), strict=False) for text in texts if text.strip())
