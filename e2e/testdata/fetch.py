"""Fetches a URL through a proxy: with urllib, or with http.client over CONNECT.

Arguments: urllib|http.client, proxy (host:port), URL, file of the authority to trust, SHA-256 of the
server's certificate in hex. The content goes to standard output; what went wrong to standard error.
"""

import hashlib
import http.client
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

library, proxy, url, authority, leaf = sys.argv[1:]
trust = ssl.create_default_context(cafile=authority)


def check(certificate):
    if hashlib.sha256(certificate).hexdigest() != leaf:
        sys.exit("the certificate is not the pinned one")


class Pinned(http.client.HTTPSConnection):
    def connect(self):
        super().connect()
        check(self.sock.getpeercert(binary_form=True))


class Handler(urllib.request.HTTPSHandler):
    def https_open(self, request):
        return self.do_open(Pinned, request, context=trust)


def with_urllib():
    proxies = urllib.request.ProxyHandler({"http": "http://" + proxy, "https": "http://" + proxy})
    opener = urllib.request.build_opener(proxies, Handler())
    try:
        return opener.open(url, timeout=30).read()
    except urllib.error.HTTPError as answer:
        sys.exit(f"{answer}\n{answer.headers}\n{answer.read().decode()}")


def with_http_client():
    target = urllib.parse.urlsplit(url)
    host, port = proxy.split(":")
    if target.scheme == "https":
        connection = Pinned(host, int(port), context=trust, timeout=30)
        connection.set_tunnel(target.hostname, 443)
        connection.request("GET", target.path)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", url)
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"{answer.status}\n{answer.headers}\n{answer.read().decode()}")
    return answer.read()


sys.stdout.buffer.write(with_urllib() if library == "urllib" else with_http_client())
