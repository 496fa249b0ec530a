"""clusterd store backup, check and restore around a server that runs, as its user types them."""
import http.client
import pathlib
import subprocess
import sys
import tempfile

import api_load


def names(server):
    _, listed = server.request("GET", api_load.COLLECTION)
    return {item["metadata"]["name"] for item in listed["items"]}


def watch_status(server, revision):
    """The code of the first event of a watch from REVISION, or of the answer."""
    connection = server.connect()
    try:
        connection.request("GET", f"{api_load.COLLECTION}?watch=1&timeoutSeconds=1&resourceVersion={revision}",
                           headers={"Authorization": f"Bearer {api_load.TOKEN}"})
        answer = connection.getresponse()
        return answer.read().decode()
    except http.client.HTTPException as problem:
        return str(problem)
    finally:
        connection.close()


def main():
    _, clusterd = api_load.environment()
    tap = api_load.Tap()
    with tempfile.TemporaryDirectory(prefix="store-backup-") as folder:
        work = pathlib.Path(folder)
        server = api_load.Server(clusterd, work / "server", api_load.free_ports(1)[0], work / "pki", [])
        copy = work / "copy.db"

        def store(*words):
            return subprocess.run([clusterd, "store", "--data-dir", str(work / "server/data"), *map(str, words)], capture_output=True,
                                  text=True, check=False)

        try:
            server.start()
            server.request("POST", api_load.COLLECTION, {"metadata": {"name": "before"}})
            backup = store("backup", copy)
            tap.ok("a backup is made while the server runs", backup.returncode == 0 and "objects, revision" in backup.stdout, backup)
            again = store("backup", copy)
            tap.ok("it replaces nothing", again.returncode != 0 and "exists already" in again.stderr, again)
            _, later = server.request("POST", api_load.COLLECTION, {"metadata": {"name": "later"}})
            revision = later["metadata"]["resourceVersion"]
            checks = [store("check"), store("check", copy)]
            tap.ok("store and backup are whole", all(check.returncode == 0 for check in checks), *checks)
            early = store("restore", copy)
            tap.ok("nothing is restored under a running server", early.returncode != 0 and "stop it first" in early.stderr, early)
            tap.ok("the server ends cleanly", server.stop() == 0)
            restored = store("restore", copy)
            tap.ok("the backup is restored", restored.returncode == 0 and ".replaced-" in restored.stdout, restored)
            server.start()
            there = names(server)
            tap.ok("what it held is there, what came later is not", "before" in there and "later" not in there, there)
            expired = watch_status(server, revision)
            tap.ok("who watched the replaced store must list again", '"code":410' in expired, expired)
            server.stop()
            database = work / "server/data/cluster.db"
            content = bytearray(database.read_bytes())
            content[4096 * 5:4096 * 7] = b"Z" * 8192
            database.write_bytes(content)
            refused = subprocess.run(server.command, capture_output=True, text=True, check=False, timeout=60)
            tap.ok("a damaged store is refused, with the way out",
                   refused.returncode != 0 and "clusterd store restore" in refused.stderr and database.read_bytes() == content, refused)
            usage = subprocess.run([clusterd, "store", "frobnicate"], capture_output=True, text=True, check=False)
            helped = subprocess.run([clusterd, "store", "--help"], capture_output=True, text=True, check=False)
            tap.ok("--help tells, what is wrong is told", usage.returncode != 0 and "Usage:" in usage.stderr and helped.returncode == 0
                   and "backup FILE" in helped.stdout)
        finally:
            if server.process and server.process.poll() is None:
                server.kill()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
