// Keeps the page as a reload would show it, and copies texts. Nothing needs it.
const main = document.getElementById("main");
const parts = [...document.querySelectorAll("[data-live], [data-rows] > *")];
const served = new Map(parts.map((part) => [part.id, part.outerHTML]));
let stream, busy, again;
function addCopyButtons(root) {
  for (const source of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button"), ariaLabel = "Copy " + source.dataset.copy;
    Object.assign(button, { type: "button", className: "copy", textContent: "Copy", ariaLabel });
    button.onclick = () => {
      getSelection().selectAllChildren(source);
      if (document.execCommand("copy")) button.textContent = button.ariaLabel = "Copied"; // navigator.clipboard needs localhost.
    };
    source.after(button);
  }
}

// Rows that stay as they are aren't touched: one may be open, selected or have the focus.
function updateRows(old, fresh) {
  for (const row of [...old.children]) if (!fresh.children.namedItem(row.id)) row.remove(), served.delete(row.id);
  let at = old.firstElementChild;
  for (const row of [...fresh.children]) {
    const html = row.outerHTML;
    if (at?.id === row.id) {
      const next = at.nextElementSibling, focused = at.contains(document.activeElement);
      if (html !== served.get(row.id)) at.replaceWith(row), focused && row.querySelector("a, summary").focus();
      at = next;
    } else {
      row.classList.add("new");
      old.insertBefore(row, at);
      addCopyButtons(row);
    }
    served.set(row.id, html);
  }
}

// What was opened stays open. Returns what is to have the focus, null if it would get lost.
function carryOver(old, part) {
  for (const { id, parentElement } of part.querySelectorAll("summary[id]")) {
    parentElement.open = !!document.getElementById(id)?.parentElement.open;
  }
  const focused = document.activeElement;
  if (!old.contains(focused)) return part;
  return "form" in focused ? null : part.querySelector("#" + focused.closest("[id]").id);
}

async function refresh() {
  if (busy) return void (again = true);
  [busy, again] = [true, false];
  const text = await fetch(location.href).then((answer) => (answer.ok ? answer.text() : ""), () => "");
  for (const part of new DOMParser().parseFromString(text, "text/html").querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id), html = part.outerHTML;
    if (!old || html === served.get(part.id)) continue;
    const [rows, freshRows] = [old, part].map((p) => p.querySelector("[data-rows]"));
    const focus = rows && freshRows ? part : carryOver(old, part);
    if (!focus) continue;
    served.set(part.id, html);
    rows && freshRows ? updateRows(rows, freshRows) : (old.replaceWith(part), addCopyButtons(part));
    if (focus !== part) focus.focus({ preventScroll: true });
  }
  busy = false;
  if (again) refresh();
}

// A browser has few connections to one host, and a page that nobody sees needs none.
(document.onvisibilitychange = () => {
  stream?.close();
  if (document.hidden || !main.dataset.events) return;
  stream = new EventSource("/events?of=" + main.dataset.events);
  stream.onmessage = refresh;
})();
addCopyButtons(document);
