"""An HTTP client that times what it reads and keeps nothing of it."""

import json
import os
import re
import socket
import time

BUFFER = bytearray(256 << 10)
ZEROS = bytes(256 << 10)


class Client:
    """One keep-alive connection."""

    def __init__(self, port, receive=None):
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method, path, headers="", body=b""):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
                            f"Content-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def head(self, status):
        """The length of the body and what has come of it."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionError("closed before the answer")
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        if int(head.split(b" ", 2)[1]) != status:
            raise ValueError(f"expected status {status}: {data[:400]!r}")
        return int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head).group(1)), body

    def drain(self, left):
        while left:
            count = self.socket.recv_into(BUFFER, min(left, len(BUFFER)))
            if not count:
                raise ConnectionError(f"closed {left} bytes early")
            left -= count

    def get(self, path, headers="", status=200, start=None):
        """Seconds to the first and the last byte of the body, and its length."""
        start = start or time.perf_counter()
        self.send("GET", path, headers)
        length, body = self.head(status)
        left = length - len(body)
        if not body:
            count = self.socket.recv_into(BUFFER, min(left, len(BUFFER)))
            left -= count
        first = time.perf_counter() - start
        self.drain(left)
        return first, time.perf_counter() - start, length

    def save(self, path, file):
        """Write a body to a file, with holes where it is zeros."""
        self.send("GET", path)
        left, body = self.head(200)
        file.write(body)
        left -= len(body)
        while left:
            count = self.socket.recv_into(BUFFER, min(left, len(BUFFER)), socket.MSG_WAITALL)
            if not count:
                raise ConnectionError(f"closed {left} bytes early")
            if count == len(BUFFER) and BUFFER == ZEROS:
                file.seek(count, os.SEEK_CUR)
            else:
                file.write(memoryview(BUFFER)[:count])
            left -= count
        file.truncate()

    def post(self, path, body):
        self.send("POST", path, body=body)
        length, text = self.head(201)
        while len(text) < length:
            text += self.socket.recv(length - len(text))
        return json.loads(text)

    def seconds_to_head(self, path, start=None):
        start = start or time.perf_counter()
        self.send("HEAD", path)
        self.head(200)
        return time.perf_counter() - start
