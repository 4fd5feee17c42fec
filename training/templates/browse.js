// Keys, and filters that show at once. Every page works without this.
"use strict";

const byRel = (rel) => document.querySelector(`a[rel=${rel}]`);
const help = document.getElementById("help");
const keys = document.getElementById("keys");

document.documentElement.classList.add("scripted");
help.hidden = false;

function toggleHelp() {
  keys.hidden = !keys.hidden;
  help.setAttribute("aria-expanded", String(!keys.hidden));
}

function setOutlines(shown) {
  document.body.classList.toggle("no-outlines", !shown);
  try {
    sessionStorage.setItem("outlines", shown ? "on" : "off");
  } catch {
    // a browser that keeps nothing still shows everything
  }
}

function outlinesShown() {
  try {
    return sessionStorage.getItem("outlines") !== "off";
  } catch {
    return true;
  }
}

// While held: each picture after a turn shows the one before it.
function compare(held) {
  for (const pair of document.querySelectorAll(".pair")) {
    const [before, after] = pair.querySelectorAll("img");
    if (!after) continue;
    after.dataset.after ??= after.getAttribute("src");
    after.src = held ? before.getAttribute("src") : after.dataset.after;
  }
}

function move(by) {
  const cells = [...document.querySelectorAll(".cell")];
  if (!cells.length) return;
  const at = cells.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : cells.length - 1) : at + by;
  cells[Math.min(Math.max(next, 0), cells.length - 1)].focus();
}

const DOES = {
  ArrowLeft: () => byRel("prev")?.click(),
  ArrowRight: () => byRel("next")?.click(),
  Escape: () => byRel("up")?.click(),
  j: () => move(1),
  k: () => move(-1),
  o: () => setOutlines(document.body.classList.contains("no-outlines")),
  b: () => compare(true),
  f: () => document.querySelector(".filters select")?.focus(),
  "?": toggleHelp,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLElement && event.target.closest("select, input");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  if (typing) {
    event.target.blur();
  } else if (Object.hasOwn(DOES, event.key)) {
    event.preventDefault();
    DOES[event.key]();
  }
});
document.addEventListener("keyup", (event) => {
  if (event.key === "b") compare(false);
});
window.addEventListener("blur", () => compare(false));
help.addEventListener("click", toggleHelp);
for (const form of document.querySelectorAll(".filters")) {
  form.addEventListener("change", () => form.requestSubmit());
}
setOutlines(outlinesShown());
