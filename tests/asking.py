"""Requests to a page of kilnsense, with all that a good one needs, or without some of it."""

import http.client

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers in lower case, body."""


def ask_page(
    page: str,
    port: int,
    token: str,
    address: str,
    *,
    method: str,
    body: str,
    headers: dict[str, str | None],
) -> Answer:
    """A request that has all it needs, but for what `headers` give otherwise; None leaves a header out.

    Args:
        page: its name, such as ``review``.
        port, token: where it is served, and its key.
        address: on the page.
        method, body: of the request.
        headers: with ``_`` for ``-``.
    """
    own = f"127.0.0.1:{port}"
    given: dict[str, str | None] = {
        "Host": own,
        "Cookie": f"kilnsense_{page}_{port}={token}",
        "Origin": f"http://{own}",
        "X-Kilnsense": page,
        "Content-Length": str(len(body.encode())) if method == "POST" else None,
    }
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, address, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
