"""nginx as a plain proxy: the yardstick, for it does nothing of a gateway's work."""

import re
import shutil
import subprocess
from pathlib import Path

from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.processes import Started, answers, free_port, ready
from bench.harness.programs import MockUpstream, Route, open_files
from bench.systems.system import Facts, Running

CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {files}; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 128k;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  tcp_nodelay on;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  proxy_read_timeout 120s;
  upstream plain {{ server 127.0.0.1:{port}; keepalive 4096; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{listen} backlog=4096;
    location / {{ proxy_pass http://plain; }}
  }}
{secure}}}
"""
SECURE = """
  upstream secure {{ server 127.0.0.1:{tls_port}; keepalive 4096; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{listen_tls} backlog=4096;
    location / {{
      proxy_pass https://secure;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_trusted_certificate {authority};
    }}
  }}
"""


class Nginx:
    """Debian's package, one process, keep-alive to the upstream, no buffering of answers."""

    name = "nginx"
    rounds_most = 99
    warm_seconds = 0.5

    def facts(self) -> Facts | None:
        """Return the version that `nginx -v` tells."""
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if program is None:
            return None
        told = subprocess.run([program, "-v"], capture_output=True, check=False).stderr  # noqa: S603
        found = re.search(rb"nginx/(\S+)", told)
        return Facts("nginx", found[1].decode() if found else "?", "plain proxy, no gateway work")

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Write a configuration and start it."""
        listen, listen_tls = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        secure = ""
        if upstream.authority is not None:
            secure = SECURE.format(
                tls_port=upstream.tls_port, listen_tls=listen_tls, authority=upstream.authority
            )
        text = CONFIGURATION.format(
            folder=folder, files=open_files(), port=upstream.port, listen=listen, secure=secure
        )
        (folder / "nginx.conf").write_text(text)
        started = Started(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"], folder)
        seconds = ready(started, lambda: answers(listen, "/v1/models"), "nginx")
        return _Nginx(started, seconds, listen, listen_tls if upstream.authority else 0)


class _Nginx(Running):
    def __init__(self, started: Started, seconds: float, port: int, tls_port: int) -> None:
        super().__init__(started, seconds)
        self._ports = {"plain": port, "tls": tls_port}

    @override
    def route(self, case: Case) -> Route | None:
        port = self._ports.get(case.upstream, 0)
        if not port or case.is_poor or case.needs == "translation":
            return None
        return Route(port, f"/v1{case.prompt.path}")
