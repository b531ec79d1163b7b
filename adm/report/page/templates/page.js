"use strict";

// Light or dark as the system has it, until the reader chooses; some browsers keep nothing for local files.
const root = document.documentElement;
const theme = document.getElementById("theme");
const remembered = (value) => {
  try {
    if (value) localStorage.setItem("theme", value);
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
};
const paint = (chosen) => {
  if (chosen) root.dataset.theme = chosen;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme.setAttribute("aria-pressed", dark);
  return dark;
};
paint(remembered());
theme.hidden = false;
theme.addEventListener("click", () => {
  const chosen = paint() ? "light" : "dark";
  remembered(chosen);
  paint(chosen);
});

const intervals = document.getElementById("intervals");
intervals.hidden = !document.querySelector(".interval");
intervals.addEventListener("click", () => {
  intervals.setAttribute("aria-pressed", root.toggleAttribute("data-intervals"));
});

// A click on a heading sorts by its column, upwards, downwards, and back to the order of the table.
const columns = (table) => {
  const [upper, lower] = table.tHead.rows;
  const below = [...(lower?.cells ?? [])];
  return [...upper.cells].flatMap((cell) => (cell.scope === "colgroup" ? below.splice(0, cell.colSpan) : [cell]));
};
const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].firstChild?.textContent ?? "";
const compare = (a, b) => {
  const numbers = a - b;
  return Number.isNaN(numbers) ? a.localeCompare(b, "en", { numeric: true }) : numbers;
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headings = columns(table);
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const order = { ascending: "descending", descending: "" }[heading.getAttribute("aria-sort")] ?? "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) heading.setAttribute("aria-sort", order);
      // What is empty stays last either way.
      const [filled, empty] = [true, false].map((full) => original.filter((row) => (key(row, column) !== "") === full));
      const sign = order === "descending" ? -1 : 1;
      const sorted = [...filled.sort((a, b) => sign * compare(key(a, column), key(b, column))), ...empty];
      body.append(...(order ? sorted : original));
    });
  });
}

const enlarged = document.getElementById("enlarged");
for (const button of document.querySelectorAll(".zoom")) {
  button.addEventListener("click", () => {
    const [from, to] = [button.querySelector("img"), enlarged.querySelector("img")];
    to.src = from.src;
    to.alt = from.alt;
    to.style.aspectRatio = `${from.getAttribute("width")} / ${from.getAttribute("height")}`;
    enlarged.showModal();
  });
}

// A link to what is folded unfolds it.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", unfold);
unfold();
