"""The servers that are measured, and what they cost."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

from benchmark.client import Client

TICK = os.sysconf("SC_CLK_TCK")
# Without tcp_nopush: it holds the end of an answer back, 40 ms for each on a connection that is kept.
NGINX_CONFIG = """\
daemon off; worker_processes 1; pid {0}/nginx.pid; error_log {0}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; sendfile_max_chunk 2m; keepalive_requests 1000000;
  client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t; uwsgi_temp_path {0}/t;
  scgi_temp_path {0}/t; server {{ listen 127.0.0.1:{1}; root {0}/www; }} }}
"""


class Process:
    """A server, and what it costs."""

    def __init__(self, command, port=None, **options):
        self.child = subprocess.Popen(command, **options)
        self.port = port

    def pids(self):
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [self.child.pid, *map(int, children.read_text().split())]

    def seconds(self):
        """Processor seconds so far: fields 14 and 15, counted from the name in parentheses."""
        stats = (pathlib.Path(f"/proc/{pid}/stat").read_text() for pid in self.pids())
        return sum(sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) for stat in stats) / TICK

    def anonymous(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) << 10

    def stop(self):
        self.child.terminate()
        self.child.wait()


def serve(program, release, directory):
    service = Process(
        [program, "serve", "--listen", "127.0.0.1:0", "--source", f"oci:{release.resolve()}",
         "--data-dir", directory / "data"],
        env=os.environ | {"IF_METRICS_ADDR": "127.0.0.1:0"}, stdout=subprocess.PIPE, text=True,
        stderr=(directory / "log").open("w"))
    line = service.child.stdout.readline()
    if not line:
        sys.exit(f"the service did not start:\n{(directory / 'log').read_text()}")
    service.port = int(line.rsplit(":", 1)[1].strip(" /\n"))
    return service


def serve_file(client, path, directory, name):
    """nginx with the bytes of a download."""
    (directory / "www").mkdir()
    with (directory / "www" / name).open("wb") as file:
        client.save(path, file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = directory / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(directory, port))
    directory.chmod(0o755)              # a worker is nobody when its master is root
    nginx = Process(["nginx", "-e", directory / "error.log", "-c", config], port)
    for _ in range(100):
        try:
            Client(port)
            return nginx
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit((directory / "error.log").read_text())
