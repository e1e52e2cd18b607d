"""A service that publishes its keys over TLS on loopback, and misbehaves when it is told to."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.certificates import write_certificate

Answer = Callable[[ssl.SSLSocket], None]


def answering(body: bytes, *, status: str = "200 OK", headers: str = "") -> Answer:
    """Answer with a body of a known length."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}Connection: close\r\n\r\n"
    return lambda peer: peer.sendall(head.encode() + body)


def dripping(start: bytes, *, every: float = 0.05, seconds: float = 20.0) -> Answer:
    """Begin an answer and go on a byte at a time, each too soon for a time-out of the socket."""

    def answer(peer: ssl.SSLSocket) -> None:
        peer.sendall(start)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peer.sendall(b" ")
            time.sleep(every)

    return answer


class KeyPublisher:
    """A web server of one document, for ``names``; ``asked`` keeps what it was asked for."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.ca_file = folder / "publisher.pem"
        self.asked: list[str] = []
        self.answer: Answer = answering(b"{}")
        write_certificate(self.ca_file, *(names or ("localhost",)))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.ca_file)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def uri(self) -> str:
        """Where the keys are."""
        return f"https://localhost:{self.port}/jwks"

    def publish(self, *jwks: object) -> None:
        """Show these keys from now on."""
        self.answer = answering(json.dumps({"keys": jwks}).encode())

    def close(self) -> None:
        """Go away."""
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[peer], daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        try:
            with plain, self._tls.wrap_socket(plain, server_side=True) as peer:
                request = b""
                while b"\r\n\r\n" not in request:
                    received = peer.recv(4096)
                    if not received:
                        return
                    request += received
                self.asked.append(request.decode())
                self.answer(peer)
        except OSError:
            return  # it hung up: on purpose, mostly
