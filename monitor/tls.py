"""From the `tls` section to a context of the standard library, in one place for every connection to a broker.

Knows no broker; reads the named certificate files and nothing else.
"""

from __future__ import annotations

import ssl

from monitor.settings.sections import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """A context that trusts the named authority (or the system's) and shows our certificate if there is one.

    Raises OSError (ssl.SSLError among them) when a file cannot be read, is not PEM, or key and certificate differ.
    """
    context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca is not None else None)
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None and tls.key is not None:
        # An encrypted key would ask for its password on the terminal; a daemon has none.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    return context
