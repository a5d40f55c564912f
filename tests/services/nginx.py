#!/usr/bin/env python3
"""nginx with two workers, and clients that keep their connections."""
import hashlib
import http.client
import os
import subprocess

import service

CONFIG = """
daemon off;
worker_processes 2;
pid {data}/pid;
error_log {data}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {data}/access.log;
    client_body_temp_path {data}/body;
    proxy_temp_path {data}/proxy;
    fastcgi_temp_path {data}/fastcgi;
    uwsgi_temp_path {data}/uwsgi;
    scgi_temp_path {data}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    server {{ listen 127.0.0.1:8080; listen [::1]:8080; root {data}/www; }}
}}
"""


class Reader(service.Client):
    """Reads one file over one connection; http.client would quietly connect again."""

    def __init__(self, host, digest):
        super().__init__()
        self.digest = digest
        self.connection = http.client.HTTPConnection(host, 8080)
        self.connection.connect()
        self.connection.auto_open = 0

    def step(self):
        self.connection.request("GET", "/file")
        response = self.connection.getresponse()
        body = response.read()
        assert response.status == 200, response.status
        assert hashlib.sha256(body).digest() == self.digest, len(body)


def work():
    data = service.private_directory()
    content = os.urandom(300_000)
    os.makedirs(f"{data}/www")
    with open(f"{data}/www/file", "wb") as file:
        file.write(content)
    with open(f"{data}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(CONFIG.format(data=data))
    server = subprocess.Popen(["/usr/sbin/nginx", "-e", f"{data}/error.log", "-c",
                               f"{data}/nginx.conf"])
    service.wait_until(lambda: service.is_listening(8080))
    digest = hashlib.sha256(content).digest()
    service.serve([Reader(host, digest) for host in ("127.0.0.1", "127.0.0.1", "::1")])
    server.terminate()
    assert server.wait(60) == 0, "nginx failed"


service.main(work)
