"""A running store as the benchmark's contenders see it: a site of havre.toml, and a remote of rclone."""

from stores import rclone_environment

from support.servers import S3Server
from support.sshd import SshdPlace
from support.swift import SwiftServer

__all__ = ["Server", "path_of", "remote_of", "secrets_of", "table_of"]

Server = S3Server | SshdPlace | SwiftServer


def table_of(name: str, server: Server) -> str:
    """The store's table of havre.toml; it names variables, never what they hold."""
    if isinstance(server, SshdPlace):
        return server.site(name)
    variable = f"BENCH_{name.upper()}"
    if isinstance(server, SwiftServer):
        fields = {
            "profile": "openstack-swift",
            "auth_url": server.auth_url,
            "user_env": f"{variable}_USER",
            "key_env": f"{variable}_KEY",
        }
    else:
        fields = {
            "profile": "seaweedfs",
            "endpoint": server.endpoint,
            "access_key_env": f"{variable}_ACCESS",
            "secret_key_env": f"{variable}_SECRET",
        }
    return "\n".join([f"[sites.{name}]", *(f'{field} = "{value}"' for field, value in fields.items())]) + "\n"


def secrets_of(name: str, server: Server) -> dict[str, str]:
    """The variables that ``table_of`` names."""
    variable = f"BENCH_{name.upper()}"
    if isinstance(server, SshdPlace):
        return {}
    if isinstance(server, SwiftServer):
        return {f"{variable}_USER": server.user, f"{variable}_KEY": server.key}
    return {f"{variable}_ACCESS": server.access_key, f"{variable}_SECRET": server.secret_key}


def remote_of(name: str, server: Server) -> dict[str, str]:
    """The variables that make `name:` a remote of rclone: no file, and no secret in an argument."""
    if isinstance(server, S3Server):
        return rclone_environment(name, server)
    if isinstance(server, SshdPlace):
        fields = {
            "TYPE": "sftp",
            "HOST": server.host,
            "PORT": str(server.port),
            "USER": server.user,
            "KEY_FILE": str(server.key_file),
            "KNOWN_HOSTS_FILE": str(server.known_hosts),
            # The server runs no commands, and rclone need not find that out again and again.
            "SHELL_TYPE": "none",
            "DISABLE_HASHCHECK": "true",
        }
    else:
        fields = {
            "TYPE": "swift",
            "AUTH": server.auth_url,
            "AUTH_VERSION": "1",
            "USER": server.user,
            "KEY": server.key,
        }
    return {f"RCLONE_CONFIG_{name.upper()}_{field}": value for field, value in fields.items()}


def path_of(server: Server, bucket: str) -> str:
    """What a remote of rclone calls a bucket of this store."""
    return f"{server.root}/{bucket}" if isinstance(server, SshdPlace) else bucket
