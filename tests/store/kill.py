"""kill -9 of clusterd under eight writers, on one SQLite store: what was acknowledged is there, revisions never go back."""
import sys
import tempfile

import api_load

ROUNDS = 5
WRITES = 150


def run_round(server, number, seen, tap):
    writers = api_load.Writers([server], 8, f"r{number}")
    writers.wait_for_more(WRITES)
    server.kill()
    writers.stop()
    server.start()
    status, listed = server.request("GET", api_load.COLLECTION)
    there = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in listed["items"]}
    seen.update(writers.acknowledged)
    lost = {name: revision for name, revision in seen.items() if there.get(name) != revision}
    newest = int(listed["metadata"]["resourceVersion"])
    tap.ok(f"round {number}: all {len(seen)} acknowledged writes are there", status == 200 and not lost and not writers.refused,
           lost, writers.refused)
    tap.ok(f"round {number}: the revision goes on", newest >= max(seen.values()), newest)


def main():
    _, clusterd = api_load.environment()
    tap, seen = api_load.Tap(), {}
    with tempfile.TemporaryDirectory(prefix="store-kill-") as work:
        server = api_load.Server(clusterd, f"{work}/server", api_load.free_ports(1)[0], f"{work}/pki", [])
        try:
            server.start()
            for number in range(1, ROUNDS + 1):
                run_round(server, number, seen, tap)
            tap.ok("clusterd ends cleanly", server.stop() == 0, server.log.read_text())
        finally:
            if server.process and server.process.poll() is None:
                server.kill()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
