// scimmy with scimmy-routers on express, users kept in a Map. usage: node scimmy_server.mjs PORT FOLDER_OF_NODE_MODULES
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";
const [port, folder] = process.argv.slice(2);
const need = createRequire(folder + "/package.json");
const load = async (name) => { const found = await import(need.resolve(name)); const it = found.default ?? found; return it.default ?? it; };
const express = await load("express"), SCIMMY = await load("scimmy"), Routers = await load("scimmy-routers");
const users = new Map(), names = new Map();
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
SCIMMY.Resources.declare(SCIMMY.Resources.User, {
  egress: async (resource) => {
    if (resource.id) {
      if (!users.has(resource.id)) throw new SCIMMY.Types.Error(404, null, "not found");
      return users.get(resource.id);
    }
    const all = [...users.values()];
    return resource.filter ? resource.filter.match(all) : all;
  },
  ingress: async (resource, data) => {
    const id = resource.id ?? randomUUID(), name = String(data.userName).toLowerCase(), now = new Date().toISOString();
    if (names.has(name) && names.get(name) !== id) throw new SCIMMY.Types.Error(409, "uniqueness", "taken");
    const plain = JSON.parse(JSON.stringify(data));
    const row = { ...plain, id, meta: { ...(plain.meta ?? {}), created: users.get(id)?.meta?.created ?? now, lastModified: now } };
    users.set(id, row); names.set(name, id);
    return row;
  },
  degress: async (resource) => { users.delete(resource.id); },
});
const app = express();
app.use("/scim/v2", new Routers({ type: "bearer", handler: async () => {} }));
app.listen(Number(port), "127.0.0.1");
