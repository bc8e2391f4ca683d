"use strict";

// table makes a table that sorts by its column heads and filters by a text.
// Columns have a kind: text, count, duration (ms), share, time, instant or plain (a number
// that is a name). A number that is not known is an empty text.
page.table = function ({ caption, columns, rows, more = 0, sort = null, pick = null }) {
  const { el, format } = page;
  const shown = {
    text: String, count: format.count, duration: format.duration,
    share: format.share, time: format.moment, instant: (ms) => format.time(ms), plain: String,
  };
  const show = (kind, value) => (typeof value === "string" ? value : shown[kind](value));
  const state = { by: sort?.by ?? -1, down: sort?.down ?? true, filter: "", picked: null };
  const body = el("tbody");
  const told = el("p", { class: "told", role: "status" });

  const heads = columns.map((column, i) => {
    const button = el("button", { type: "button", onclick: () => sortBy(i) }, column.name);
    return el("th", { scope: "col", class: column.kind === "text" ? "" : "number" }, button);
  });

  function sortBy(i) {
    if (state.by === i) state.down = !state.down;
    else [state.by, state.down] = [i, columns[i].kind !== "text"];
    draw();
  }

  function compare(x, y) {
    const [a, b] = [x[state.by], y[state.by]];
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return state.down ? -order : order;
  }

  const texts = new Map(rows.map((row) => [row, row.map((cell, i) => `${cell} ${show(columns[i].kind, cell)}`).join("\n").toLowerCase()]));

  function draw() {
    let list = rows.filter((row) => texts.get(row).includes(state.filter));
    if (state.by >= 0) list = [...list].sort(compare);
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== state.by ? "none" : state.down ? "descending" : "ascending"));
    body.replaceChildren(...list.map(line));
    const rest = more ? `; ${format.plural(more, "lesser one is", "lesser ones are")} not on this page` : "";
    told.textContent = (list.length === rows.length ? format.plural(rows.length, "row", "rows") : `${format.count(list.length)} of ${format.plural(rows.length, "row", "rows")}`) + rest;
  }

  function line(row) {
    const cells = columns.map((column, i) => {
      const text = show(column.kind, row[i]);
      if (pick && i === 0) {
        return el("th", { scope: "row" }, el("button", { type: "button", class: "pick", "aria-pressed": String(state.picked === row), onclick: () => choose(row) }, text));
      }
      const cell = el("td", { class: column.kind === "text" ? "" : "number" }, text);
      if (column.kind === "share") {
        const bar = el("span", { class: "bar" });
        bar.style.width = `${Math.min(100, 100 * row[i])}%`;
        cell.append(bar);
      }
      return cell;
    });
    return el("tr", { class: state.picked === row ? "picked" : false }, ...cells);
  }

  function choose(row) {
    state.picked = row;
    const at = rows.indexOf(row);
    draw();
    body.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
    pick(at);
  }

  const filter = el("input", { type: "search", oninput: () => { state.filter = filter.value.trim().toLowerCase(); draw(); } });
  if (pick && rows.length) state.picked = rows[0];
  draw();
  return el("div", { class: "table" },
    el("div", { class: "tools" }, el("h3", {}, caption), rows.length > 5 ? el("label", { class: "field" }, "Filter ", filter) : "", told),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${caption}, table` },
      el("table", {}, el("caption", { class: "hidden" }, caption), el("thead", {}, el("tr", {}, ...heads)), body)));
};
