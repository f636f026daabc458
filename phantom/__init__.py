"""Phantom: a Slack-and-Discord agent daemon and framework.

The modules directly below this package are of two kinds. The *vocabulary* (`errors ids clock secrets identity
capabilities messages events channel agent webhooks settings`) holds values and protocols: no I/O, no third-party
imports; everything else may import it. The *engine* (`journal pipeline turns egress …`) does the work and is known to
the daemon alone. Third parties import only `phantom.*`; the sibling packages `channels` and `config` are Phantom's own.
"""

__version__ = "0.1.0"
