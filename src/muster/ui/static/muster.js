// What pages do by themselves: times in the reader's zone, live fragments, the side panel, the palette, forms, keys.
(() => {
  const language = document.documentElement.lang;
  // Who reads English keeps their own way of writing dates (en-GB).
  const locale = navigator.language.startsWith(language) ? navigator.language : language;
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });

  const distance = (at) => {
    const seconds = Math.round((at - Date.now()) / 1000);
    if (Math.abs(seconds) < 10) return document.body.dataset.now;
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

  // What was done is said once: the address forgets it, and it fades.
  const said = document.querySelector("[data-said]");
  if (said) {
    const url = new URL(location);
    url.searchParams.delete("said");
    history.replaceState(history.state, "", url);
    setTimeout(() => said.classList.add("is-over"), 6000);
    setTimeout(() => said.remove(), 6500);
  }

  // Whoever goes by keys stays where they were when what had the focus is exchanged, or was switched off for a moment.
  let held = null;
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    const at = document.activeElement;
    if (at && at !== document.body && (detail.elt.contains(at) || detail.target?.contains(at))) held = at;
  });
  const twinOf = (gone, within) => {
    const names = gone.id ? ["id"] : ["name", "href", ...(gone.localName === "button" ? ["value"] : [])];
    const known = names.filter((name) => gone.hasAttribute(name)).map((name) => `[${name}="${CSS.escape(gone.getAttribute(name))}"]`);
    return (known.length && within.querySelector(gone.localName + known.join(""))) || within.querySelector("input:not([type=hidden]), select, button, a");
  };
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    // Once it is in its place, and switched on again.
    setTimeout(() => {
      const within = document.getElementById(detail.target?.id) ?? document.getElementById("main");
      if (held && document.activeElement === document.body) (held.isConnected ? held : twinOf(held, within))?.focus({ preventScroll: true });
      held = null;
    }, 40);
  });

  // The panel beside a list: a dialog, so that Escape, focus and screen readers work as everywhere.
  const panel = document.getElementById("panel");
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    tell(detail.target);
    if (panel && panel.contains(detail.target) && !panel.open) panel.showModal();
  });
  panel?.addEventListener("click", (event) => {
    if (event.target === panel || event.target.closest("[data-close]")) panel.close();
  });

  // Tabs that do not all fit go into a menu at the end, the last ones first; the one that is shown stays.
  for (const tabs of document.querySelectorAll(".tabs:has(.tabs-more)")) {
    const line = tabs.querySelector(".tabs-line"), more = tabs.querySelector(".tabs-more"), menu = more.lastElementChild;
    const all = [...line.children];
    const fit = () => {
      const focused = document.activeElement;
      line.append(...all);
      more.hidden = true;
      while (line.scrollWidth > line.clientWidth) {
        const last = [...line.children].findLast((each) => !each.hasAttribute("aria-current"));
        if (!last) break;
        more.hidden = false;
        menu.prepend(last);
      }
      if (document.activeElement !== focused) focused.focus();
    };
    fit();
    new ResizeObserver(fit).observe(tabs);
    const close = () => { more.open = false; };
    more.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !more.contains(relatedTarget)) close(); });
    document.addEventListener("click", ({ target }) => { if (!more.contains(target)) close(); });
    more.addEventListener("keydown", (event) => {
      const links = [...menu.children], step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") { close(); more.firstElementChild.focus(); }
      if (!step) return;
      event.preventDefault();
      more.open = true;
      (links[links.indexOf(document.activeElement) + step] ?? more.firstElementChild).focus();
    });
  }

  // The menu of a narrow window closes as the others do.
  const menu = document.querySelector("details.menu"), side = menu?.parentElement;
  side?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.firstElementChild.focus();
  });

  // The palette: Ctrl-K or Cmd-K, arrows, Enter.
  const palette = document.getElementById("palette");
  const openPalette = () => {
    if (!palette || palette.open) return;
    const text = palette.querySelector("input");
    text.value = "";
    palette.showModal();
    document.getElementById("palette-found").scrollTop = 0;
    window.htmx?.trigger(text, "palette");
  };
  palette?.addEventListener("keydown", (event) => {
    const lines = [...palette.querySelectorAll("[data-found]")];
    const at = lines.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = lines[event.key === "ArrowDown" ? at + 1 : at - 1];
      (next ?? palette.querySelector("input")).focus();
    } else if (event.key === "Enter" && at < 0) {
      event.preventDefault();
      lines[0]?.click();
    }
  });
  palette?.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });

  // Plain HTTP offers no clipboard.
  const copyPlainly = (text) => {
    const at = document.activeElement;
    const field = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden", readOnly: true });
    (at?.closest("dialog") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    at?.focus();
  };

  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-palette]")) openPalette();
    const trust = event.target.closest("[data-trust]");
    if (trust) {
      const area = document.getElementById("TrustedCertificates");
      if (!area.value.includes(trust.dataset.trust.trim())) area.value = `${area.value.trim()}\n${trust.dataset.trust}`.trim();
      area.closest("details").open = true;
      area.dispatchEvent(new Event("input", { bubbles: true }));
      trust.disabled = true;
      trust.lastChild.textContent = trust.dataset.trusted;
    }
    const copy = event.target.closest("[data-copy]");
    if (!copy) return;
    if (navigator.clipboard) await navigator.clipboard.writeText(copy.dataset.copy);
    else copyPlainly(copy.dataset.copy);
    copy.classList.add("is-done");
    setTimeout(() => copy.classList.remove("is-done"), 1500);
  });

  // "/" goes to the search, n makes something new; j and k walk the lines of a list; g and a letter go to a place that
  // the navigation has; ? lists the keys.
  const PLACES = { h: "/", a: "/applications", s: "/sources", u: "/users", g: "/groups", l: "/logs", i: "/sign-ins" };
  const keys = document.getElementById("keys");
  keys?.addEventListener("click", (event) => { if (event.target === keys) keys.close(); });
  let wentAt = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (event.timeStamp - wentAt < 1500 && event.key in PLACES) {
      wentAt = 0;
      document.querySelector(`nav a[href="${PLACES[event.key]}"]`)?.click();
    } else if (event.key === "g") {
      wentAt = event.timeStamp;
    } else if (event.key === "?" && keys) {
      keys.showModal();
    } else if (event.key === "/") {
      const search = document.querySelector("[data-slash]");
      if (search) { event.preventDefault(); search.focus(); search.select(); } else { event.preventDefault(); openPalette(); }
    } else if (event.key === "j" || event.key === "k") {
      const lines = [...document.querySelectorAll("[data-line]")];
      const at = lines.indexOf(document.activeElement);
      const next = lines[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
      next?.focus();
    } else {
      document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
    }
  });

  // Changes that are not saved are not left by accident.
  const dirty = () => document.querySelector("form[data-guard][data-dirty]");
  document.addEventListener("input", ({ target }) => { target.form?.matches("[data-guard]") && (target.form.dataset.dirty = ""); });
  addEventListener("beforeunload", (event) => { if (dirty()) event.preventDefault(); });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-discard]")) delete dirty()?.dataset.dirty; }, true);

  // A form is asked about where it must be, and sent once.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-confirm]");
    if (button && !confirm(button.dataset.confirm)) event.preventDefault();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post" || event.defaultPrevented) return;
    delete event.target.dataset.dirty;
    for (const button of event.target.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
  });
  document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
    if (detail.xhr?.getResponseHeader("HX-Redirect")) delete dirty()?.dataset.dirty;
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    for (const button of document.querySelectorAll("form button:disabled:not([title])")) if (detail.elt.contains(button) || button.form === detail.elt.form) button.disabled = false;
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[method=post] > button:disabled, form[method=post] p > button:disabled:not([title])")) if (!button.closest("fieldset:disabled")) button.disabled = false;
  });

  // What a change of rules would do is shown before it is saved: the dialog opens at once, and fills when it is known.
  const review = document.getElementById("review");
  let reviewed = null;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-review]");
    if (!button || !review || button.form.reportValidity()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (!review || !("review" in detail.elt.dataset)) return;
    reviewed = detail.elt;
    document.getElementById("review-body").replaceChildren(review.querySelector("[data-review-wait]").content.cloneNode(true));
    const save = review.querySelector("[data-review-save]");
    save.textContent = reviewed.textContent.trim();
    save.classList.toggle("btn-bad-full", reviewed.classList.contains("btn-bad"));
    if (!review.open) review.showModal();
  });
  review?.addEventListener("click", (event) => {
    if (event.target === review || event.target.closest("[data-review-back]")) review.close();
    if (!event.target.closest("[data-review-save]")) return;
    const button = reviewed;
    review.close();
    button.form.requestSubmit(button);
  });
  review?.addEventListener("close", () => { if (reviewed) window.htmx?.trigger(reviewed, "htmx:abort"); });

  // Lists whose lines can be picked.
  const picks = document.querySelector("[data-picks]");
  if (picks) {
    const boxes = () => [...picks.querySelectorAll("td.pick input")];
    const bar = picks.querySelector("[data-pick-bar]");
    const all = picks.querySelector("[data-pick-all]");
    picks.addEventListener("change", (event) => {
      if (event.target === all) for (const box of boxes()) box.checked = all.checked;
      const count = boxes().filter((box) => box.checked).length;
      if (bar) { bar.hidden = count === 0; bar.querySelector("[data-pick-count]").textContent = count; }
    });
  }

  // The picker of an assignment: who was picked stays while the offers change.
  const picker = document.querySelector("[data-picker]");
  if (picker) {
    const picked = picker.querySelector("[data-picked]");
    const chipOf = (id) => [...picked.querySelectorAll("input")].find((each) => each.value === id)?.closest("li");
    const settle = () => {
      for (const box of picker.querySelectorAll("[data-name]")) { box.removeAttribute("name"); box.checked = !!chipOf(box.value); }
      if (!picked.children.length) picked.textContent = "";
    };
    const chip = (id, name) => {
      const item = document.createElement("li");
      item.className = "chip";
      const kept = Object.assign(document.createElement("input"), { type: "hidden", name: "principal", value: id });
      const label = Object.assign(document.createElement("bdi"), { textContent: name });
      const drop = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
      drop.setAttribute("aria-label", picked.dataset.remove.replace("{}", () => name));
      drop.addEventListener("click", () => { item.remove(); settle(); });
      item.append(kept, label, drop);
      return item;
    };
    picker.addEventListener("change", ({ target }) => {
      if (!target.matches("[data-name]")) return;
      if (target.checked) picked.append(chip(target.value, target.dataset.name)); else chipOf(target.value)?.remove();
      settle();
    });
    document.addEventListener("htmx:afterSwap", settle);
    // Who comes back with a refused form can be put back, too.
    for (const item of [...picked.children]) item.replaceWith(chip(item.querySelector("input").value, item.querySelector("bdi").textContent));
    settle();
  }

  // JSON is checked while it is written; a file can be put in its place.
  for (const area of document.querySelectorAll("[data-json]")) {
    const state = area.closest("form").querySelector("[data-json-state]");
    area.addEventListener("input", () => {
      try { JSON.parse(area.value); state.textContent = ""; } catch (error) { state.textContent = error.message; }
      state.classList.toggle("is-bad", !!state.textContent);
    });
  }
  document.addEventListener("change", async ({ target }) => {
    if ("submit" in target.dataset) target.form.submit();
    if (target.dataset.upload && target.files[0]) {
      const area = document.getElementById(target.dataset.upload);
      area.value = await target.files[0].text();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    // The builder puts functions and attributes where the cursor is.
    if (target.dataset.insert && target.value) {
      const area = document.getElementById("expression");
      const text = target.dataset.insert === "function" ? `${target.value}()` : `[${target.value}]`;
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      if (target.dataset.insert === "function") area.selectionStart = area.selectionEnd -= 1;
      target.value = "";
      area.focus();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
})();
