"""Microsoft's SDK and sign-in library against a running installation; runs in an environment that has them.

usage: graph_sdk_script.py FILE  (JSON: url, tenant, client, secret, service principal, user, SCIM address and token)
Each check prints ok or FAIL; the last line is `N passed, M failed`.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.audit_logs.directory_audits.directory_audits_request_builder import DirectoryAuditsRequestBuilder
from msgraph.generated.audit_logs.provisioning.provisioning_request_builder import ProvisioningRequestBuilder
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.synchronization_job import SynchronizationJob
from msgraph.generated.models.synchronization_job_application_parameters import SynchronizationJobApplicationParameters
from msgraph.generated.models.synchronization_job_subject import SynchronizationJobSubject
from msgraph.generated.models.synchronization_secret import SynchronizationSecret as Key
from msgraph.generated.models.synchronization_secret_key_string_value_pair import (
    SynchronizationSecretKeyStringValuePair as Pair,
)
from msgraph.generated.models.user import User
from msgraph.generated.service_principals.item.synchronization.acquire_access_token import (
    acquire_access_token_post_request_body as acquire,
)
from msgraph.generated.service_principals.item.synchronization.jobs.item.provision_on_demand import (
    provision_on_demand_post_request_body as on_demand,
)
from msgraph.generated.service_principals.item.synchronization.secrets.secrets_put_request_body import (
    SecretsPutRequestBody,
)
from msgraph.generated.users.users_request_builder import UsersRequestBuilder

GIVEN = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
COUNT = {"passed": 0, "failed": 0}


async def check(name: str, call: Awaitable[Any], test: Callable[[Any], Any] = lambda _: True) -> Any:
    try:
        answer = await asyncio.wait_for(call, 90)
        problem = None if test(answer) else f"unexpected: {str(answer)[:300]}"
    except ODataError as error:
        answer, problem = None, f"{error.response_status_code}: {error.error and error.error.message}"
    except Exception as error:
        answer, problem = None, f"{type(error).__name__}: {error}"
    COUNT["failed" if problem else "passed"] += 1
    print(f"  {'FAIL' if problem else 'ok  '} {name}{f': {problem}' if problem else ''}")
    return answer


async def refused(name: str, call: Awaitable[Any], status: int) -> None:
    async def told() -> int:
        try:
            await call
        except ODataError as error:
            return int(error.response_status_code)
        return 0

    await check(name, told(), lambda got: got == status)


def client(secret: str) -> GraphServiceClient:
    url = GIVEN["url"]
    credential = ClientSecretCredential(
        GIVEN["tenant"], GIVEN["client"], secret, authority=url, disable_instance_discovery=True
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{url}/.default"], allowed_hosts=[url.partition("://")[2].partition(":")[0]]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{url}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def asked(query: Any) -> Any:
    return RequestConfiguration(query_parameters=query)


async def main() -> int:
    graph, sp, user = client(GIVEN["secret"]), GIVEN["sp"], GIVEN["user"]
    me = graph.service_principals.by_service_principal_id(sp)
    found = await check("sign in with client id and secret, read the application", me.get(), lambda r: r.id == sp)
    role = next(str(each.id) for each in found.app_roles if each.display_name != "Default Access")

    await check(
        "assign a role",
        me.app_role_assigned_to.post(AppRoleAssignment(principal_id=user, resource_id=sp, app_role_id=role)),
        lambda r: r.id and str(r.principal_id) == user,
    )
    await check("list assignments", me.app_role_assigned_to.get(), lambda r: len(r.value) == 1)
    await check(
        "what the user is assigned to", graph.users.by_user_id(user).app_role_assignments.get(), lambda r: r.value
    )

    pairs = [Pair(key=Key.BaseAddress, value=GIVEN["scim"]), Pair(key=Key.SecretToken, value=GIVEN["scimToken"])]
    await check("store secrets", me.synchronization.secrets.put(SecretsPutRequestBody(value=pairs)))
    await check("count secrets", me.synchronization.secrets.count.get(), lambda r: r == 2)
    await check(
        "try to acquire a token",
        me.synchronization.acquire_access_token.post(acquire.AcquireAccessTokenPostRequestBody(credentials=pairs)),
    )
    template = (await check("templates", me.synchronization.templates.get(), lambda r: r.value)).value[0].id
    await check(
        "a template's rules", me.synchronization.templates.by_synchronization_template_id(template).schema.get()
    )
    job = await check(
        "make a job", me.synchronization.jobs.post(SynchronizationJob(template_id=template)), lambda r: r.id
    )
    one = me.synchronization.jobs.by_synchronization_job_id(job.id)
    schema = await check("its rules", one.schema.get(), lambda r: r.synchronization_rules)
    await check("directories", one.schema.directories.get(), lambda r: len(r.value) == 2)
    directory = next(each for each in schema.directories if each.name != "Directory")
    await check(
        "discover", one.schema.directories.by_directory_definition_id(directory.id).discover.post(), lambda r: r.id
    )
    await check("start", one.start.post())

    async def until_active() -> bool:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            status = (await one.get()).status
            if status.last_execution and status.last_execution.count_exports:
                return True
            await asyncio.sleep(0.3)
        return False

    await check("the first cycle makes the account", until_active(), bool)
    Query = ProvisioningRequestBuilder.ProvisioningRequestBuilderGetQueryParameters
    wanted = f"jobId eq '{job.id}' and (provisioningAction eq 'create' or provisioningAction eq 'update')"
    logs = await check(
        "its log by a filter with or",
        graph.audit_logs.provisioning.get(asked(Query(filter=wanted, orderby=["activityDateTime desc"], top=5))),
        lambda r: r.value and r.value[0].source_identity.id == user,
    )
    await check("a log row has its steps", asyncio.sleep(0, logs), lambda r: r.value[0].provisioning_steps)
    subject = SynchronizationJobSubject(object_id=user, object_type_name="User")
    rule = schema.synchronization_rules[0].id
    body = on_demand.ProvisionOnDemandPostRequestBody(
        parameters=[SynchronizationJobApplicationParameters(rule_id=rule, subjects=[subject])]
    )
    await check("provision on demand", one.provision_on_demand.post(body), lambda r: json.loads(r.key)["result"])
    await check("pause", one.pause.post())

    Users = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters
    query = Users(
        filter="not(startswith(displayName,'Zzz')) and accountEnabled eq true",
        orderby=["displayName desc"],
        count=True,
        top=1,
    )
    await check("users by filter, order and count", graph.users.get(asked(query)), lambda r: r.odata_count >= 1)
    delta = await check("a first round of changes", graph.users.delta.get(), lambda r: r.odata_delta_link)
    await check("change a user", graph.users.by_user_id(user).patch(User(job_title="Clerk")), lambda _: True)
    await check(
        "the change in the next round",
        graph.users.delta.with_url(delta.odata_delta_link).get(),
        lambda r: [each.job_title for each in r.value] == ["Clerk"],
    )
    await check("organization", graph.organization.get(), lambda r: r.value[0].id == GIVEN["tenant"])

    made = await check(
        "register an application", graph.applications.post(Application(display_name="second")), lambda r: r.app_id
    )
    registration = graph.applications.by_application_id(made.id)
    ends = datetime.now(UTC) + timedelta(days=30)
    password = await check(
        "add a secret",
        registration.add_password.post(
            AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="x", end_date_time=ends))
        ),
        lambda r: r.secret_text and r.key_id,
    )
    await check(
        "the secret is not shown again", registration.get(), lambda r: not r.password_credentials[0].secret_text
    )
    await check(
        "remove the secret",
        registration.remove_password.post(RemovePasswordPostRequestBody(key_id=password.key_id)),
    )
    second = await graph.service_principals_with_app_id(made.app_id).get()
    await check(
        "make it an owner",
        me.owners.ref.post(ReferenceCreate(odata_id=f"{GIVEN['url']}/v1.0/directoryObjects/{second.id}")),
    )
    await check("owners", me.owners.get(), lambda r: [each.id for each in r.value] == [second.id])
    await check("remove the registration", registration.delete())
    Audits = DirectoryAuditsRequestBuilder.DirectoryAuditsRequestBuilderGetQueryParameters
    await check(
        "audit entries of this program, by any()",
        graph.audit_logs.directory_audits.get(asked(Audits(filter=f"targetResources/any(t:t/id eq '{sp}')", top=50))),
        lambda r: any(each.initiated_by.app and each.initiated_by.app.service_principal_id for each in r.value),
    )
    await check("delete a user", graph.users.by_user_id(user).delete())
    await check(
        "restore it", graph.directory.deleted_items.by_directory_object_id(user).restore.post(), lambda r: r.id == user
    )
    await refused("an unknown user: 404", graph.users.by_user_id("nobody").get(), 404)
    await check("delete the job", one.delete())

    token = base64.b64decode((await acquired()).split(".")[1] + "==")
    await check(
        "the token's claims name the tenant", asyncio.sleep(0, json.loads(token)), lambda r: r["tid"] == GIVEN["tenant"]
    )
    print(f"{COUNT['passed']} passed, {COUNT['failed']} failed")
    return 1 if COUNT["failed"] else 0


async def acquired() -> str:
    url = GIVEN["url"]
    async with ClientSecretCredential(
        GIVEN["tenant"], GIVEN["client"], GIVEN["secret"], authority=url, disable_instance_discovery=True
    ) as credential:
        return str((await credential.get_token(f"{url}/.default")).token)


sys.exit(asyncio.run(main()))
