"""A service without engine for tests of its faces: a fresh store, a clock that stands, a target that is only probed."""

import functools
import itertools
import json
import ssl
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import falcon.testing

from faces.shapes import check_shape
from fakes.store import fresh_store
from muster.administration.access import OPERATOR, create_token
from muster.administration.desk import Desk, Stores
from muster.bootstrap.notifications import webhook_check
from muster.bootstrap.uploads import NoticedUploads
from muster.federation.relying_party import FederationClient
from muster.model.certificates import PresentedCertificate
from muster.model.directory import ObjectKind
from muster.model.failures import CredentialsRefused
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.notice import JobAudience, NotificationSettings
from muster.model.roles import Role
from muster.model.whatif import OtherScope, Transition, Weighed, WhatIf, WhatIfLine
from muster.notifications.courier import Courier
from muster.notifications.mail import Mailer
from muster.notifications.office import Office
from muster.ports.notifier import DeliveryFailed
from muster.settings import parse_network
from muster.store.open import Store
from muster.transport.client import open_transport
from muster.transport.guard import AddressGuard
from muster.web.services import Services
from muster.web.site import WsgiApp, make_site

TENANT = "0f1e2d3c-4b5a-4697-8877-665544332211"
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
GOOD_TOKEN = "right-token"
TENANT_URL = "https://scim.example.com/udi/customers/1/scim/v2"


class StandingClock:
    """Stands; waiting moves it, and lets the engine of the test do something."""

    def __init__(self) -> None:
        self.at = START
        self.while_waiting: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.at

    def sleep(self, duration: timedelta) -> None:
        self.at += duration
        self.while_waiting()


class CountedIds:
    """The ids 1, 2, 3 … as GUIDs, so that tests read well."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return str(uuid.UUID(int=next(self._numbers)))

    def draw(self, limit: int) -> int:
        return 0


@dataclass
class ProbedTarget:
    """A target that can only be probed: the token decides."""

    credentials: Mapping[str, str]
    asked: list[str]

    def probe(self, matching_attribute: str) -> None:
        self.asked.append(matching_attribute)
        if self.credentials.get("SecretToken") != GOOD_TOKEN:
            raise CredentialsRefused("The target answered 401 Unauthorized.", status=401)


@dataclass
class KeptUploads(NoticedUploads):
    """Uploads in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        path = f"/uploads/{upload_id}{Path(file_name).suffix}"
        self.files[path] = content
        return path


@dataclass
class Answered:
    """An answer, its body read."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


def _nothing_presented(_credentials: Mapping[str, str]) -> PresentedCertificate:
    return PresentedCertificate(host="scim.example.com", chain=(), problem=None, trustable=None)


class House:
    """The service under test."""

    def __init__(self, folder: Path, environment: NotificationSettings | None = None, *, api_rate: float = 0) -> None:
        store = fresh_store(folder)
        self.store = store
        self.environment = environment or NotificationSettings()
        self.clock = StandingClock()
        self.uploads = KeptUploads()
        self.probed: list[str] = []
        self.examine: Callable[[str], Mapping[str, Any]] = lambda _: {}
        self.tried: list[tuple[Any, OtherScope, int]] = []
        self.weighed: list[tuple[dict[str, str], dict[str, object]]] = []
        self.make_target: type[ProbedTarget] = ProbedTarget
        self.trouble: str | None = None
        self.exchange_code: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _given: {}
        self.look_at_certificate: Callable[[Mapping[str, str]], PresentedCertificate] = _nothing_presented
        self.stores = Stores(
            directory=store.directory,
            applications=store.applications,
            secrets=store.secrets,
            jobs=store.jobs,
            cycles=store.cycles,
            links=store.links,
            log=store.log,
            wire=store.wire,
            plans=store.plans,
            holds=store.holds,
            discovery=store.discovery,
            work=store.work,
            audit=store.audit,
            access=store.access,
            clients=store.clients,
            owners=store.owners,
            mirrors=store.mirrors,
            supplies=store.supplies,
            measures=store.measures,
            credentials=store.credentials,
            second_factors=store.second_factors,
            sign_ins=store.sign_ins,
            inbound=store.inbound,
            single_sign_on=store.single_sign_on,
            openid=store.openid,
            identity_providers=store.identity_providers,
        )
        self.services = Services(
            stores=self.stores,
            clock=self.clock,
            ids=CountedIds(),
            tenant_id=TENANT,
            engine_room=self,  # type: ignore[arg-type]  # its targets are only probed
            uploads=self.uploads,
            notifications=self._office(store),
            relying_party=FederationClient(open_transport(allowed=(parse_network("127.0.0.0/8"),))),
            together=nullcontext,
            trouble=lambda: self.trouble,
            api_rate=api_rate,
        )
        self.token = self.token_for(Role.GLOBAL_ADMINISTRATOR)

    @functools.cached_property
    def site(self) -> WsgiApp:
        """The faces; half of the tests look at others of their own, and those of the API cost 350 routes."""
        return make_site(self.services)

    def _office(self, store: Store) -> Office:
        """The real office; every mail server is looked for on this machine."""
        ids = CountedIds()

        def find(host: str, port: int) -> tuple[str, ...]:
            if host == "forbidden.example.com":
                raise DeliveryFailed(f"The mail server {host}:{port} is not called: it is private.")
            return ("127.0.0.1",)

        def courier() -> Courier:
            return Courier(
                outbox=store.outbox,
                settings=store.notification_settings.get,
                audience=lambda sp: (sp, JobAudience()),
                mailer=Mailer(find, ssl.create_default_context()),
                transport=open_transport(allowed=(parse_network("127.0.0.0/8"),)),
                root="https://muster.example.com",
                clock=self.clock,
                ids=ids,
            )

        return Office(
            outbox=store.outbox,
            store=store.notification_settings,
            environment=self.environment,
            courier=courier,
            find=find,
            check_url=webhook_check(
                AddressGuard(allowed=(parse_network("127.0.0.0/8"),), resolve=lambda *_: ["93.184.216.34"])
            ),
            ids=ids,
        )

    def open_target(self, service_principal_id: str, credentials: Mapping[str, str] | None) -> ProbedTarget:
        found = self.stores.secrets.get(service_principal_id) if credentials is None else credentials
        return self.make_target(found, self.probed)

    def what_if(self, job_id: str, document: Any, scope: OtherScope, limit: int, told: Any = None) -> WhatIf:
        self.tried.append((document, scope, limit))
        line = WhatIfLine(transition=Transition.CHANGES, attribute="title", count=2, sentence="2 change title")
        return WhatIf(job_id=job_id, considered=3, affected=2, summary=(line,), objects=(), held=(), requests=2)

    def weigh(
        self, job_id: str, settings: Mapping[str, str], notification: Mapping[str, object], told: Any = None
    ) -> Weighed:
        self.weighed.append((dict(settings), dict(notification)))
        return Weighed(
            considered=40,
            is_partial=False,
            removals=30,
            held=12,
            members_removed=9,
            members_held=4,
            reasons=("The job asks for approval of every removal.",),
            protected=37,
            spared=2,
            waiting=1,
            writes_held=0,
        )

    def explain(self, job_id: str, user: str) -> Mapping[str, Any]:
        if user == "unreachable":
            raise CredentialsRefused("8x8 has no Tenant URL.")
        found = self.stores.directory.get(ObjectKind.USER, user)
        if found is None:
            return {}
        return {
            "seq": 1,
            "source": {"id": found.object_id, "displayName": found.display_name, "type": "User"},
            "verdict": {"presence": "disabled", "reason": "Ada is not assigned."},
            "cause": {"kind": "unassigned", "sentence": "not assigned to the application", "subject": ""},
            "mappings": [{"targetAttribute": "title"}, {"targetAttribute": "nickName"}],
            "grants": [],
        }

    @property
    def desk(self) -> Desk:
        return self.services.desk(OPERATOR)

    def token_for(self, *roles: Role, lifetime: timedelta | None = None) -> str:
        return create_token(self.desk, "test", roles, lifetime=lifetime)[1]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        raw: bytes | None = None,
        version: str = "v1.0",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Calls the API; the token of a global administrator unless another is given (None: none)."""
        given = dict(headers or {})
        bearer = self.token if token == "" else token
        if bearer is not None:
            given["Authorization"] = f"Bearer {bearer}"
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if content is not None:
            given.setdefault("Content-Type", "application/json")
        target, _, query = path.partition("?")
        result = falcon.testing.simulate_request(
            self.site,  # type: ignore[arg-type]  # any WSGI application will do
            method,
            f"/{version}{target}" if version else target,
            query_string=query,
            headers=given,
            body=content,
        )
        check_shape(method, version, path, result.status_code, result.text)
        return Answered(result.status_code, {k.lower(): v for k, v in result.headers.items()}, result.text)

    def made(self, path: str, body: Any) -> Any:
        """Posts, expects 201 and returns the body."""
        answer = self.call("POST", path, body)
        assert answer.status == 201, answer.text
        return answer.body

    # ------------------------------------------------------------ what many tests need

    def user(self, name: str = "ada", **properties: Any) -> Any:
        given = {
            "accountEnabled": True,
            "displayName": f"{name.capitalize()} Example",
            "mailNickname": name,
            "userPrincipalName": f"{name}@example.com",
            **properties,
        }
        return self.made("/users", given)

    def group(self, name: str = "Sales", **properties: Any) -> Any:
        given = {
            "displayName": name,
            "mailEnabled": False,
            "mailNickname": name.lower(),
            "securityEnabled": True,
            **properties,
        }
        return self.made("/groups", given)

    def application(self, template: str = "8x8") -> Any:
        """Returns the servicePrincipal of a new application, with its registration under `application`."""
        found = self.call("GET", f"/applicationTemplates?$filter=displayName eq '{template}'").body["value"][0]
        both = self.made(f"/applicationTemplates/{found['id']}/instantiate", {"displayName": template})
        return {**both["servicePrincipal"], "application": both["application"]}

    def job(self, sp: str) -> Any:
        template = self.call("GET", f"/servicePrincipals/{sp}/synchronization/templates").body["value"][0]["id"]
        return self.made(f"/servicePrincipals/{sp}/synchronization/jobs", {"templateId": template})

    def credentials(self, sp: str, token: str = GOOD_TOKEN, **more: str) -> Answered:
        pairs = {"BaseAddress": TENANT_URL, "SecretToken": token, **more}
        value = [{"key": key, "value": value} for key, value in pairs.items()]
        return self.call("PUT", f"/servicePrincipals/{sp}/synchronization/secrets", {"value": value})


class Started:
    """An application with a job that runs."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.sp = house.application()["id"]
        assert house.credentials(self.sp).status == 204
        self.sync = f"/servicePrincipals/{self.sp}/synchronization"
        self.id = house.job(self.sp)["id"]
        self.path = f"{self.sync}/jobs/{self.id}"
        assert house.call("POST", f"{self.path}/start").status == 204

    @property
    def shown(self) -> Any:
        return self.house.call("GET", self.path).body

    def cycle(self, **values: Any) -> Cycle:
        given: dict[str, Any] = {
            "id": "cycle-1",
            "job_id": self.id,
            "kind": CycleKind.INITIAL,
            "state": CycleState.RUNNING,
            "phase": CyclePhase.USERS,
            "position": None,
            "window_after": 0,
            "window_until": 5,
            "epoch": 1,
            "counters": Counters(expected=10, evaluated=4, created=3, skipped=1, requests=7, writes=3),
            "began_at": self.house.clock.at,
            **values,
        }
        found = Cycle(**given)
        self.house.stores.cycles.begin(found)
        return found
