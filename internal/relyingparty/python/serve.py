"""Serves Flask apps, each on a port of its own: serve.py ID=FILE ..."""
import runpy
import sys
import threading

from werkzeug.serving import make_server

servers = []
for argument in sys.argv[1:]:
    name, _, path = argument.partition("=")
    server = make_server("127.0.0.1", 0, runpy.run_path(path)["app"], threaded=True)
    threading.Thread(target=server.serve_forever).start()
    servers.append(f"ready {name} http://127.0.0.1:{server.server_port} ")
print("\n".join(servers), flush=True)
