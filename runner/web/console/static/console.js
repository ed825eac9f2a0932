// What moves: live parts, dialogs, searching while typing. Every page works without it.
"use strict";
document.documentElement.classList.add("scripted");

// -- live parts: when the server says that something changed, the page asks for itself and takes its live parts over
const live = document.getElementById("live");
const BEHIND = { Accept: "text/html", "X-Behind": "1" };
let asked = null, again = false, last = 0;
const PAUSE = 2000; // milliseconds between two looks, however often something changes

async function refresh() {
  if (asked || again) { again = true; return; }
  if (Date.now() - last < PAUSE) {
    again = true;
    setTimeout(() => { again = false; refresh(); }, PAUSE - (Date.now() - last));
    return;
  }
  asked = new AbortController();
  const address = location.href;
  try {
    const answer = await fetch(address, { signal: asked.signal, headers: BEHIND });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
    if (answer.ok && address === location.href) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (live) { live.classList.remove("beat"); void live.offsetWidth; live.classList.add("beat"); }
  } catch { /* the stream says when the service is back */ }
  asked = null;
  last = Date.now();
  if (again) { again = false; refresh(); }
}

function take(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = fresh.getElementById(old.id);
    if (!part || part.innerHTML === old.innerHTML) continue;
    const busy = document.activeElement;
    if (busy && old.contains(busy) && /^(INPUT|SELECT|TEXTAREA)$/.test(busy.tagName)) continue;
    const open = [...old.querySelectorAll("details")].map(each => each.open);
    const scrolled = [...old.querySelectorAll(".scroll")].map(each => [each.scrollLeft, each.scrollTop]);
    const focused = busy && old.contains(busy) ? busy.getAttribute("href") : null;
    old.innerHTML = part.innerHTML;
    [...old.querySelectorAll("details")].forEach((each, n) => { if (n in open) each.open = open[n]; });
    [...old.querySelectorAll(".scroll")].forEach((each, n) => { if (n in scrolled) [each.scrollLeft, each.scrollTop] = scrolled[n]; });
    if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

const source = document.body.dataset.liveFrom;
if (source && live) {
  const stream = new EventSource(source);
  const say = (word, on) => { live.hidden = false; live.classList.toggle("off", !on); live.lastElementChild.textContent = word; };
  let broken = false;
  stream.addEventListener("hello", () => { say("Live", true); if (broken) refresh(); broken = false; });
  stream.addEventListener("changed", refresh);
  stream.onerror = () => { broken = true; say("Reconnecting", false); };
  addEventListener("pagehide", () => stream.close());
  setInterval(() => { if (!document.hidden) refresh(); }, 30000);
}

// -- confirmations in a dialog instead of on a page of their own
const dialog = document.getElementById("dialog");
let opener = null;
dialog.addEventListener("close", () => {
  // What opened it may have been replaced by a live part meanwhile: its successor has the same address.
  const next = opener?.isConnected ? opener : opener && document.querySelector(`a[href="${CSS.escape(opener.getAttribute("href"))}"]`);
  next?.focus();
});
document.addEventListener("click", async event => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    const answer = await fetch(link.href, { headers: BEHIND });
    const form = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("confirm");
    if (!answer.ok || !form) { location.href = link.href; return; }
    opener = link;
    dialog.replaceChildren(document.importNode(form, true));
    dialog.showModal();
    (dialog.querySelector("input:not([type=hidden])") || dialog.querySelector("button")).focus();
  } else if (event.target.closest("[data-close]") && dialog.open) {
    event.preventDefault();
    dialog.close();
  } else if (event.target === dialog) {
    dialog.close();
  }
});

// -- searching while typing, and choosing
let typing = 0;
async function follow(form) {
  const address = `${form.getAttribute("action") || location.pathname}?${new URLSearchParams([...new FormData(form)].filter(([, value]) => value))}`;
  const answer = await fetch(address, { headers: BEHIND });
  if (!answer.ok) { form.submit(); return; }
  history.replaceState(null, "", address);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = fresh.getElementById(old.id);
    if (!part) continue;
    if (!old.contains(form)) { old.innerHTML = part.innerHTML; continue; }
    // The form that is being typed into stays; everything beside it is replaced.
    const own = [...part.querySelectorAll("form[data-auto]")].find(each => each.getAttribute("action") === form.getAttribute("action"));
    if (!own) { old.innerHTML = part.innerHTML; continue; }
    own.replaceWith(form);
    const field = document.activeElement, at = field?.selectionStart;
    old.replaceChildren(...part.childNodes);
    if (field && form.contains(field)) { field.focus(); try { field.setSelectionRange(at, at); } catch { /* no text field */ } }
  }
}
document.addEventListener("input", event => {
  const form = event.target.form;
  if (!form?.matches("form[data-auto]") || event.target.type !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => follow(form), 220);
});
document.addEventListener("change", event => {
  const form = event.target.form;
  if (form?.matches("form[data-auto]") && event.target.tagName === "SELECT") form.requestSubmit();
});

// -- keys: / searches, j and k go down and up the rows
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "/") {
    const field = document.querySelector("[data-search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  } else if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll("table.rows .pick")];
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))]?.focus();
  }
});
