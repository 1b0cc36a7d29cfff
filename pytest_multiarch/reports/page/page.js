
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const root = document.documentElement;

  // The theme: the system's, until somebody chooses.
  const theme = find("theme");
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} theme`); };
  try { root.dataset.theme = localStorage.getItem("pytest-multiarch-theme") ?? ""; } catch { /* a page from a file may have no storage */ }
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("pytest-multiarch-theme", root.dataset.theme); } catch { /* then it lasts as long as the page */ }
    nameTheme();
  });
  systemIsDark.addEventListener("change", nameTheme);
  nameTheme();

  const matrix = find("matrix");
  if (!matrix) return;
  const tools = find("tools");
  const found = find("found");
  const nothing = find("nothing");
  const toggle = find("toggle");
  tools.hidden = false;

  // What the filter looks at is read once, when it is first used.
  let rows = null;
  const readRows = () => {
    rows ??= Array.from(matrix.tBodies, (body) => {
      const [head, , ...cells] = body.rows[0].cells;
      return {
        body,
        verdict: body.dataset.v,
        text: head.textContent.toLowerCase(),
        outcomes: cells.map((cell) => cell.className),
      };
    });
    return rows;
  };

  const NEVER_RAN = ["undeclared", "unselected"];
  const makeTest = () => {
    const { verdict, text, platform, outcome } = Object.fromEntries(new FormData(tools));
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (name) => (outcome ? name === outcome || (outcome === "passed" && name === "differs") : !NEVER_RAN.includes(name));
    return (row) =>
      (!verdict || row.verdict === verdict) &&
      words.every((word) => row.text.includes(word)) &&
      (platform ? fits(row.outcomes[platform]) : !outcome || row.outcomes.some(fits));
  };

  // What changes is changed from the top, so many rows a frame: thousands at once would be felt.
  const AT_ONCE = 1000;
  let pending = 0;
  const change = (bodies, atOnce) => {
    for (const body of bodies.splice(0, atOnce)) body.hidden = !body.hidden;
    if (bodies.length) pending = requestAnimationFrame(() => change(bodies, atOnce));
  };

  const filter = (atOnce = AT_ONCE) => {
    const isWanted = makeTest();
    const changed = [];
    let count = 0;
    for (const row of readRows()) {
      const isShown = isWanted(row);
      count += isShown;
      if (isShown === row.body.hidden) changed.push(row.body);
    }
    cancelAnimationFrame(pending);
    change(changed, atOnce);
    const all = rows.length;
    const number = count.toLocaleString("en");
    found.textContent = count === all ? `${number} test${all === 1 ? "" : "s"}` : `${number} of ${all.toLocaleString("en")} tests`;
    nothing.hidden = count > 0;
  };

  let frame = 0;
  const filterSoon = () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(() => filter()); };
  tools.addEventListener("input", filterSoon);
  tools.addEventListener("change", filterSoon);
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("reset", () => setTimeout(() => filter()));
  find("clear").addEventListener("click", () => { tools.reset(); tools.elements.text.focus(); });

  const details = matrix.getElementsByTagName("details");
  toggle.hidden = details.length === 0;
  const nameToggle = () => { toggle.textContent = Array.from(details).some((each) => !each.open) ? "Open all" : "Close all"; };
  toggle.addEventListener("click", () => {
    const isOpen = toggle.textContent === "Open all";
    for (const each of details) each.open = isOpen;
    nameToggle();
  });
  matrix.addEventListener("toggle", nameToggle, true);
  nameToggle();

  // A link to a test opens it, also where the filter hides it.
  const openTarget = () => {
    const target = find(location.hash.slice(1));
    const body = target?.closest("tbody");
    if (!body || !matrix.contains(body)) return;
    if (body.hidden) { tools.reset(); filter(Infinity); }
    const content = body.querySelector("details");
    if (content) content.open = true;
    body.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      tools.elements.text.focus();
    }
    if (event.key === "Escape" && event.target === tools.elements.text) {
      tools.elements.text.value = "";
      filter();
    }
  });

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = Array.from(details).filter((each) => !each.open && !each.closest("tbody").hidden);
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });
})();
