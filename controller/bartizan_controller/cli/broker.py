"""`bartizan-controller broker-files`: what a broker needs that somebody else runs."""

import time
from pathlib import Path

import click

from bartizan_controller import config, enrolment
from bartizan_controller.authority import Authority
from bartizan_controller.broker import configuration
from bartizan_controller.cli.answers import JSON, say
from bartizan_controller.directory import Folder
from bartizan_controller.durable import replace_file
from bartizan_controller.store import dialect
from bartizan_controller.store.database import Database

DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command("broker-files")
@click.argument("folder", type=DIRECTORY)
@click.argument("target", type=DIRECTORY)
@click.option("--host", "hosts", multiple=True, required=True, help="Name or address of the broker. Repeat.")
@click.option("--port", default=8883, show_default=True, help="Port on which it is to listen.")
@JSON
def broker_files(folder: Path, target: Path, *, hosts: tuple[str, ...], port: int, as_json: bool) -> None:
    """Write what a broker needs that the controller in FOLDER does not start itself into TARGET.

    A certificate for it and its key (398 days), the authority's certificate, the list of revoked ones, an access list
    and a mosquitto.conf. Run it again, and have the broker read them again, before the certificate expires and after
    every `bartizan site revoke`: gateways that were shut out are named in the lists.
    """
    where = Folder(folder.absolute())
    where.check()
    settings = config.load(where.config)
    authority = Authority(where.keys)
    with Database(settings.database or dialect.sqlite_url(where.database)) as database:
        shut_out = database.query(lambda c: enrolment.shut_out_sites(c, authority))
    issued = authority.server(hosts, time.time())
    conf = configuration.configuration("0.0.0.0", port, settings.broker_limits)
    files = {
        configuration.KEY_FILE: issued.key,
        configuration.CERTIFICATE_FILE: issued.certificate,
        configuration.CA_FILE: authority.ca_pem,
        configuration.REVOCATION_FILE: authority.crl_file.read_bytes(),
        configuration.ACCESS_FILE: configuration.access_list(shut_out).encode(),
        configuration.CONFIGURATION_FILE: conf.encode(),
    }
    for name, content in files.items():
        replace_file(target / name, content)
    url = f"mqtts://{hosts[0]}:{port}"
    say(
        f"{target} is ready: move it to the broker's machine; the key is in {configuration.KEY_FILE}\n"
        f"Then:  bartizan-controller serve {folder} --broker {url}",
        {"folder": str(target.absolute()), "files": sorted(files), "key": configuration.KEY_FILE, "broker": url},
        as_json=as_json,
    )
