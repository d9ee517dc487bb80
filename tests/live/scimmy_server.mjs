// A SCIM service in memory on scimmy and scimmy-routers: node server.mjs PORT TOKEN
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import Routers from "scimmy-routers";

const [port, token] = process.argv.slice(2);
const SCIM = SCIMMY.default ?? SCIMMY;
const Router = Routers.default ?? Routers;
const kept = { User: new Map(), Group: new Map() };
const gone = (id) => new SCIM.Types.Error(404, null, `There is no ${id}`);
const folded = (value) => String(value ?? "").toLowerCase();

function store(kind, unique) {
  const rows = kept[kind];
  return {
    egress: async (resource) => {
      if (resource.id) {
        if (!rows.has(resource.id)) throw gone(resource.id);
        return rows.get(resource.id);
      }
      const everything = [...rows.values()];
      return resource.filter ? resource.filter.match(everything) : everything;
    },
    ingress: async (resource, data) => {
      const id = resource.id ?? randomUUID();
      if (resource.id && !rows.has(id)) throw gone(id);
      for (const [other, row] of rows) {
        if (other !== id && folded(row[unique]) === folded(data[unique])) {
          throw new SCIM.Types.Error(409, "uniqueness", `${unique} is taken`);
        }
      }
      const now = new Date().toISOString();
      const created = rows.get(id)?.meta?.created ?? now;
      const plain = JSON.parse(JSON.stringify(data));
      rows.set(id, { ...plain, id, meta: { ...(plain.meta ?? {}), created, lastModified: now } });
      return rows.get(id);
    },
    degress: async (resource) => {
      if (!rows.delete(resource.id)) throw gone(resource.id);
      for (const group of kept.Group.values()) {
        group.members = (group.members ?? []).filter((member) => member.value !== resource.id);
      }
    },
  };
}

SCIM.Resources.User.extend(SCIM.Schemas.EnterpriseUser, false);
SCIM.Resources.declare(SCIM.Resources.User, store("User", "userName"));
SCIM.Resources.declare(SCIM.Resources.Group, store("Group", "displayName"));
SCIM.Config.set({ patch: true, filter: { supported: true, maxResults: 200 }, bulk: { supported: true, maxOperations: 20, maxPayloadSize: 100000 } });

const app = express();
const handler = (request) => {
  if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("wrong token");
  return "admin";
};
app.use("/scim/v2", new Router({ type: "bearer", handler }));
app.listen(Number(port), "127.0.0.1");
