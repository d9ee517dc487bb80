"""The Configuration Manager moved to PostgreSQL: its customers, tokens and accounts go on there."""

from dataclasses import replace
from pathlib import Path

from played_configuration_manager import configuration_manager
from played_installation import command, users_at
from played_postgres import PlayedServer


def test_accounts_and_tokens_go_on_after_the_move_and_nothing_is_moved_twice(
    own_server: PlayedServer, tmp_path: Path
) -> None:
    folder = tmp_path / "manager"
    with configuration_manager(folder) as manager:
        customer = manager.customer("moved")
        for name in ("ann", "bob"):
            made = customer.ask("POST", "/Users", {"userName": f"{name}@example.com", "active": True})
            assert made.status == 201, made.body
        path = customer.url.partition("/udi/")[2]
    url = own_server.url_of(own_server.create())
    moved = command("configuration-manager", "migrate", "--to", url, "--data", folder, "--json")
    assert moved.status == 0, moved.err
    assert sum(table["rows"] for table in moved.json["tables"]) > 0
    assert list(folder.glob("*.moved"))
    again = command("configuration-manager", "migrate", "--to", url, "--data", folder)
    assert again.status == 1, again.out
    with configuration_manager(folder, "--database", url) as manager:
        customer = replace(customer, url=f"{manager.url.rstrip('/')}/udi/{path}")
        assert [user["userName"] for user in users_at(customer)] == ["ann@example.com", "bob@example.com"]
        made = customer.ask("POST", "/Users", {"userName": "cyd@example.com", "active": True})
        assert made.status == 201, made.body
        assert len(users_at(customer)) == 3
