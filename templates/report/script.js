"use strict";
// Shows the register that is pointed at beside the bytes. Without it every run of bytes still leads to its register.
(() => {
  document.documentElement.classList.add("js");
  const panel = document.getElementById("panel");
  const links = [...document.querySelectorAll(".dump a")];
  const show = (link) => {
    const found = document.getElementById(link.hash.slice(1));
    if (!found) return;
    for (const one of links) one.classList.toggle("on", one.hash === link.hash);
    const copy = found.cloneNode(true);
    for (const one of [copy, ...copy.querySelectorAll("[id]")]) one.removeAttribute("id");
    if (copy.tagName === "TBODY") {
      const table = document.createElement("table");
      table.className = "registers";
      table.append(found.parentElement.tHead.cloneNode(true), copy);
      const places = new Map([...copy.querySelectorAll("td [title]")].map((one) => [one.textContent, one.title]));
      const lines = [...places].map(([where, text]) => {
        const line = document.createElement("p");
        line.className = "mono line";
        line.textContent = `${where}: ${text}`;
        return line;
      });
      panel.replaceChildren(table, ...lines);
    } else {
      panel.replaceChildren(...copy.children);
    }
  };
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  for (const [number, link] of links.entries()) {
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("keydown", (event) => {
      const next = links[number + (step[event.key] ?? 0)];
      if (!(event.key in step) || !next) return;
      event.preventDefault();
      next.focus();
    });
  }
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
  });
})();
