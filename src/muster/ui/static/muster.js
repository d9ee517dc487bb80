// What pages do by themselves: times in the reader's zone, live fragments, the side panel, keys.
(() => {
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  const distance = (at) => {
    const seconds = Math.round((at - Date.now()) / 1000);
    if (Math.abs(seconds) < 10) return "just now";
    const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
    return relative.format(Math.trunc(seconds / size), unit);
  };
  const tell = (scope) => {
    for (const time of scope.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const text = time.hasAttribute("data-ago") ? distance(at) : exact.format(at);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  tell(document);
  setInterval(() => { if (!document.hidden) tell(document); }, 10000);

  // Live fragments: not every tick is used, hidden pages rest, and an unchanged answer (304) changes nothing.
  const ticks = new WeakMap();
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const tag = detail.elt.dataset.tag;
    if (tag) detail.headers["If-None-Match"] = tag;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const holder = event.detail.elt;
    if (!("live" in holder.dataset)) return;
    const tick = (ticks.get(holder) ?? 0) + 1;
    ticks.set(holder, tick);
    const pace = Number(holder.querySelector("[data-pace]")?.dataset.pace ?? 1) * (document.hidden ? 10 : 1);
    if (tick % pace) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const tag = detail.xhr?.getResponseHeader("ETag");
    if (tag && "live" in detail.elt.dataset) detail.elt.dataset.tag = tag;
    if (detail.xhr?.status) document.body.classList.toggle("is-cut-off", detail.xhr.status >= 500);
  });
  document.addEventListener("htmx:sendError", () => document.body.classList.add("is-cut-off"));

  // The panel beside a list: a dialog, so that Escape, focus and screen readers work as everywhere.
  const panel = document.getElementById("panel");
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    tell(detail.target);
    if (panel && panel.contains(detail.target) && !panel.open) panel.showModal();
  });
  panel?.addEventListener("click", (event) => {
    if (event.target === panel || event.target.closest("[data-close]")) panel.close();
  });

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (!copy) return;
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.classList.add("is-done");
    setTimeout(() => copy.classList.remove("is-done"), 1500);
  });

  // "/" goes to the search; j and k (or the arrows) walk the lines of a list.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-slash]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "j" || event.key === "k") {
      const lines = [...document.querySelectorAll("[data-line]")];
      const at = lines.indexOf(document.activeElement);
      const next = lines[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
      next?.focus();
    }
  });

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    if (event.target.method === "post") {
      for (const button of event.target.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
    }
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[method=post] button:disabled")) button.disabled = false;
  });
})();
