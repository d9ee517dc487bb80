"""The console's pages of settings: of a customer, and who administrates."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import flask

from muster.configuration_manager.administrators import Administrators, Role
from muster.configuration_manager.customer import (
    AccountLimits,
    ConsoleRefusal,
    Customer,
    CustomerSettings,
    Retrieval,
)
from muster.configuration_manager.customers import Customers
from muster.scim.repository import Document
from muster.scim.schemas import USER_URN
from muster.ui.language import marked

View = Callable[..., Any]

ROLES = {
    Role.ADMINISTRATOR.value: marked("administrator"),
    Role.READER.value: marked("reader"),
    Role.NONE.value: marked("none any more"),
}


def add_settings_pages(
    app: flask.Flask,
    customers: Customers,
    administrators: Administrators,
    *,
    signed_in: Callable[[View], View],
    page: Callable[..., Any],
) -> None:
    """Adds the pages to the console."""

    @app.get("/customers/<customer>/settings")
    @signed_in
    def show_settings(customer: Customer) -> Any:
        clients = sorted({token.client for token in customers.list_tokens(customer)})
        is_saved = "saved" in flask.request.args
        active = customers.count_active(customer)
        return page("settings.html", customer=customer, clients=clients, active=active, is_saved=is_saved)

    @app.post("/customers/<customer>/settings")
    @signed_in
    def change_settings(customer: Customer) -> Any:
        customers.change_settings(customer, read_settings(customer.settings, flask.request.form))
        return flask.redirect(f"/customers/{customer.name}/settings?saved", 303)

    @app.get("/administrators")
    @signed_in
    def show_administrators() -> Any:
        return page("administrators.html", rows=administrators.list_administrators(), roles=ROLES)

    @app.post("/administrators")
    @signed_in
    def change_role() -> Any:
        form = flask.request.form
        try:
            role = Role(form.get("role", ""))
        except ValueError:
            raise ConsoleRefusal("there is no such role: choose one of the list") from None
        administrators.change_role(form.get("name", ""), role)
        return flask.redirect("/administrators", 303)


def read_settings(present: CustomerSettings, form: Mapping[str, str]) -> CustomerSettings:
    """The settings that a form says. Raises: ConsoleRefusal."""
    try:
        retrieval, limits = Retrieval(form.get("retrieval", "")), AccountLimits(form.get("limits", ""))
    except ValueError:
        raise ConsoleRefusal("the form holds a choice that there is not: load the page anew and repeat") from None
    return replace(
        present,
        is_strict="strict" in form,
        retrieval=retrieval,
        limits=limits,
        has_one_writer="one_writer" in form,
        writing_client=form.get("writing_client") or None,
        rate_limit=_number("the rate limit", form.get("rate_limit", "")),
        licences=_number("the number of licences", form.get("licences", "")),
        has_licence_limit="licence_limit" in form,
    )


def read_user(form: Mapping[str, str]) -> Document:
    """The user whom an administrator enters."""
    email = form.get("email", "").strip()
    return {
        "schemas": [USER_URN],
        "userName": form.get("userName", "").strip(),
        "name": {"givenName": form.get("givenName", "").strip(), "familyName": form.get("familyName", "").strip()},
        **({"emails": [{"value": email, "type": "work", "primary": True}]} if email else {}),
    }


def _number(what: str, text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ConsoleRefusal(f"{what} must be a whole number, or empty")
    return int(text)
