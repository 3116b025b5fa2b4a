"use strict";
// Sorts and filters the tables of an inventory. What it shows is in the page already, and text of cells becomes text alone.
(() => {
  const words = new Intl.Collator("en", { numeric: true });
  const make = (name, facts, ...children) => {
    const element = Object.assign(document.createElement(name), facts);
    element.append(...children);
    return element;
  };
  const text = cell => cell.textContent.trim();

  for (const table of document.querySelectorAll("table.list")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const titles = heads.map(text);
    const rows = [...body.rows].map((row, place) => ({
      row,
      place,
      cells: [...row.cells].map(text),
      all: [...row.cells].map(text).join("\n").toLowerCase(),
    }));
    const of = table.getAttribute("aria-label");
    const search = make("input", { type: "search", placeholder: `filter ${of}`, ariaLabel: `filter ${of}`, autocomplete: "off" });
    const count = make("output", { className: "none" });
    const facets = heads.flatMap((head, at) => {
      if (!head.hasAttribute("data-facet")) return [];
      const values = [...new Set(rows.map(row => row.cells[at]))].sort(words.compare);
      if (values.length < 2) return [];
      const all = make("option", { value: "" }, `${titles[at]}: all`);
      const choices = values.map((value, number) => make("option", { value: String(number + 1) }, value || "none"));
      const select = make("select", { ariaLabel: `${titles[at]} of ${of}` }, all, ...choices);
      select.addEventListener("change", filter);
      return [{ at, select, values }];
    });

    function filter() {
      const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { row, cells, all } of rows) {
        const fits = asked.every(word => all.includes(word)) &&
          facets.every(({ at, select, values }) => select.value === "" || cells[at] === values[select.value - 1]);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length}`;
    }

    // By a column, in one direction or the other; equal rows stay in the page's own order.
    function sort(at, direction) {
      const key = ({ row, cells }) => row.cells[at].dataset.key ?? cells[at];
      const compare = (a, b) => {
        const [left, right] = [key(a), key(b)];
        if (left === "" || right === "") return (left === "") - (right === "") || a.place - b.place;
        return direction * words.compare(left, right) || a.place - b.place;
      };
      const sorted = document.createDocumentFragment();
      for (const { row } of [...rows].sort(compare)) sorted.append(row);
      body.append(sorted);
      heads.forEach(head => head.removeAttribute("aria-sort"));
      heads[at].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    }

    heads.forEach((head, at) => {
      const button = make("button", { type: "button" }, titles[at]);
      button.addEventListener("click", () => sort(at, head.getAttribute("aria-sort") === "ascending" ? -1 : 1));
      head.replaceChildren(button);
    });
    // Where a narrow screen shows rows as lists there are no heads to click.
    const choices = titles.map((title, at) => make("option", { value: String(at) }, `by ${title}`));
    const order = make("select", { className: "order", ariaLabel: `order of ${of}` }, make("option", { value: "" }, "order"), ...choices);
    order.addEventListener("change", () => order.value !== "" && sort(Number(order.value), 1));
    search.addEventListener("input", filter);
    table.before(make("div", { className: "tools" }, search, ...facets.map(({ select }) => select), order, count));
    filter();
  }
})();
